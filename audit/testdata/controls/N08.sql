ALTER TABLE app.doc SET (parallel_workers = 2);
