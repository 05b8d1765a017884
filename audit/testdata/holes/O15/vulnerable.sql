-- object: app.doc.big_tenant
CREATE INDEX big_tenant ON app.doc (tenant_id, body) WHERE tenant_id = '22222222-2222-2222-2222-222222222222';
