SELECT create_distributed_table('app.note', 'tenant_id', colocate_with => 'app.doc');
