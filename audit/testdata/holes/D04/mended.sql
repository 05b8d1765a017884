SELECT create_distributed_table('app.doc', 'tenant_id');
