sha256(k.token_outer || sha256(k.token_inner || int4send(CASE WHEN k.any_backend THEN 0 ELSE pg_backend_pid() END)
           || int8send(expires) || int4send(octet_length(convert_to(tenant, 'UTF8'))) || convert_to(key || tenant || facts, 'UTF8'))) = signature
