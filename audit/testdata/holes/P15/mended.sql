REVOKE INSERT ON app.membership FROM {{app}};
