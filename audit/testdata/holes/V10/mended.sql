DROP RULE r ON app.job;
