ALTER TABLE app.note ADD FOREIGN KEY (tenant_id) REFERENCES app.tenants;
