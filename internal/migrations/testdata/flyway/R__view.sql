CREATE OR REPLACE VIEW lead_emails AS SELECT email FROM leads;
