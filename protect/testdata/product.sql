-- A business product that grew for years: contacts, invoices, projects, tickets,
-- people, stock and messages of many organizations in the same tables. Most tables
-- carry organization_id; some never got it; nothing keeps organizations apart.

CREATE SCHEMA core;
CREATE SCHEMA crm;
CREATE SCHEMA billing;
CREATE SCHEMA work;
CREATE SCHEMA support;
CREATE SCHEMA hr;
CREATE SCHEMA stock;
CREATE SCHEMA "Reporting";

-- Shared by everyone.
CREATE TABLE core.countries (code char(2) PRIMARY KEY, name text NOT NULL);
CREATE TABLE core.currencies (code char(3) PRIMARY KEY, name text NOT NULL, digits smallint NOT NULL DEFAULT 2);
CREATE TABLE core.languages (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE core.time_zones (id serial PRIMARY KEY, name text NOT NULL UNIQUE, utc_offset interval NOT NULL);
CREATE TABLE core.plans (id serial PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL);
CREATE TABLE core.features (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE core.plan_features (plan_id int NOT NULL REFERENCES core.plans, feature_id int NOT NULL REFERENCES core.features, PRIMARY KEY (plan_id, feature_id));
CREATE TABLE core.industries (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.schema_migrations (version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());

CREATE TYPE core.plan_state AS ENUM ('trial', 'active', 'past_due', 'closed');
CREATE TYPE core.priority AS ENUM ('low', 'normal', 'high', 'urgent');
CREATE TYPE crm.deal_state AS ENUM ('open', 'won', 'lost');
CREATE TYPE billing.invoice_state AS ENUM ('draft', 'sent', 'paid', 'void');
CREATE TYPE work.task_state AS ENUM ('todo', 'doing', 'done');
CREATE TYPE support.channel AS ENUM ('mail', 'chat', 'phone');
CREATE TYPE core.postal_address AS (street text, city text, country char(2));
CREATE DOMAIN core.email AS text CHECK (VALUE ~ '^[^@ ]+@[^@ ]+$');
CREATE DOMAIN core.amount AS numeric(14,2) CHECK (VALUE >= 0);
CREATE DOMAIN core.percentage AS smallint CHECK (VALUE BETWEEN 0 AND 100);

CREATE FUNCTION core.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$;

CREATE TABLE core.organizations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, slug text NOT NULL UNIQUE, state core.plan_state NOT NULL DEFAULT 'trial',
  plan_id int REFERENCES core.plans, industry_id int REFERENCES core.industries, country char(2) REFERENCES core.countries,
  address core.postal_address, created_at timestamptz NOT NULL DEFAULT now(), suspended_at timestamptz);
COMMENT ON TABLE core.organizations IS 'Our customers';

-- People and rights.
CREATE TABLE core.users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES core.organizations (id) ON DELETE CASCADE, email core.email NOT NULL,
  name text NOT NULL, language text REFERENCES core.languages, time_zone_id int REFERENCES core.time_zones, active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), UNIQUE (organization_id, email));
CREATE TRIGGER touch BEFORE UPDATE ON core.users FOR EACH ROW EXECUTE FUNCTION core.touch();
CREATE INDEX users_lower_email ON core.users (lower(email::text));
ALTER TABLE core.organizations ADD COLUMN owner_id uuid REFERENCES core.users (id) ON DELETE SET NULL;
CREATE TABLE core.teams (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES core.organizations (id), name text NOT NULL, parent_id uuid REFERENCES core.teams (id));
CREATE TABLE core.team_members (team_id uuid NOT NULL REFERENCES core.teams ON DELETE CASCADE, user_id uuid NOT NULL REFERENCES core.users ON DELETE CASCADE, organization_id uuid NOT NULL, role text NOT NULL DEFAULT 'member', PRIMARY KEY (team_id, user_id));
CREATE TABLE core.roles (id bigserial PRIMARY KEY, organization_id uuid NOT NULL REFERENCES core.organizations (id), name text NOT NULL);
CREATE TABLE core.role_permissions (role_id bigint NOT NULL REFERENCES core.roles ON DELETE CASCADE, permission text NOT NULL, PRIMARY KEY (role_id, permission));
CREATE TABLE core.user_roles (user_id uuid NOT NULL REFERENCES core.users ON DELETE CASCADE, role_id bigint NOT NULL REFERENCES core.roles, organization_id uuid NOT NULL, PRIMARY KEY (user_id, role_id));
CREATE TABLE core.sessions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES core.users ON DELETE CASCADE, expires_at timestamptz NOT NULL, agent text);
CREATE INDEX sessions_expiry ON core.sessions (expires_at);
CREATE TABLE core.api_keys (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES core.organizations (id), user_id uuid REFERENCES core.users ON DELETE SET NULL, hash bytea NOT NULL UNIQUE, scopes text[] NOT NULL DEFAULT '{}');
CREATE INDEX api_keys_scopes ON core.api_keys USING gin (scopes);
CREATE TABLE core.invitations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES core.organizations (id), email core.email NOT NULL, token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE, invited_by uuid REFERENCES core.users);
CREATE TABLE core.settings (organization_id uuid NOT NULL REFERENCES core.organizations (id), name text NOT NULL, value jsonb NOT NULL, PRIMARY KEY (organization_id, name));
CREATE TABLE core.feature_overrides (organization_id uuid NOT NULL REFERENCES core.organizations (id), feature_id int NOT NULL REFERENCES core.features, enabled boolean NOT NULL, PRIMARY KEY (organization_id, feature_id));
CREATE TABLE core.files (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, name text NOT NULL, size bigint NOT NULL CHECK (size >= 0), sha256 bytea, uploaded_by uuid REFERENCES core.users ON DELETE SET NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX files_created ON core.files (created_at DESC);
CREATE TABLE core.file_versions (id bigserial PRIMARY KEY, file_id uuid NOT NULL REFERENCES core.files ON DELETE CASCADE, number int NOT NULL, stored_at text NOT NULL, UNIQUE (file_id, number));
CREATE TABLE core.tags (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL, color text, UNIQUE (organization_id, name));
CREATE TABLE core.custom_fields (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, entity text NOT NULL, name text NOT NULL, kind text NOT NULL);
CREATE TABLE core.custom_values (id bigserial PRIMARY KEY, field_id bigint NOT NULL REFERENCES core.custom_fields ON DELETE CASCADE, entity_id uuid NOT NULL, value text);
CREATE TABLE core.webhooks (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, url text NOT NULL, events text[] NOT NULL);
CREATE TABLE core.webhook_deliveries (id bigserial PRIMARY KEY, webhook_id uuid NOT NULL REFERENCES core.webhooks ON DELETE CASCADE, status int, body jsonb, sent_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX webhook_deliveries_failed ON core.webhook_deliveries (sent_at) WHERE status >= 400;
CREATE TABLE core.notifications (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, user_id uuid NOT NULL REFERENCES core.users ON DELETE CASCADE, kind text NOT NULL, read_at timestamptz);
CREATE INDEX notifications_unread ON core.notifications (user_id) WHERE read_at IS NULL;
CREATE TABLE core.jobs (id bigserial PRIMARY KEY, organization_id uuid, kind text NOT NULL, payload jsonb NOT NULL DEFAULT '{}', run_at timestamptz NOT NULL DEFAULT now(), done_at timestamptz);
CREATE INDEX jobs_due ON core.jobs (run_at, id) WHERE done_at IS NULL;
CREATE TABLE core.job_errors (job_id bigint NOT NULL REFERENCES core.jobs ON DELETE CASCADE, message text NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE core.audit_log (organization_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT now(), actor uuid, action text NOT NULL, detail jsonb, id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE core.audit_log_2025 PARTITION OF core.audit_log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE core.audit_log_2026 PARTITION OF core.audit_log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE core.audit_log_rest PARTITION OF core.audit_log DEFAULT;
CREATE INDEX audit_log_actor ON core.audit_log (actor, at DESC);

-- Contacts and deals.
CREATE TABLE crm.companies (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, name text NOT NULL, domain text, country char(2) REFERENCES core.countries, owner_id uuid REFERENCES core.users ON DELETE SET NULL, address core.postal_address,
  search tsvector GENERATED ALWAYS AS (to_tsvector('simple', name || ' ' || coalesce(domain, ''))) STORED, created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX companies_search ON crm.companies USING gin (search);
CREATE INDEX companies_owner ON crm.companies (owner_id);
CREATE TRIGGER touch BEFORE UPDATE ON crm.companies FOR EACH ROW EXECUTE FUNCTION core.touch();
CREATE TABLE crm.contacts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, company_id uuid REFERENCES crm.companies ON DELETE SET NULL, first_name text NOT NULL, last_name text NOT NULL, full_name text GENERATED ALWAYS AS (first_name || ' ' || last_name) STORED, email core.email, score core.percentage, extra jsonb NOT NULL DEFAULT '{}', updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX contacts_extra ON crm.contacts USING gin (extra jsonb_path_ops);
CREATE INDEX contacts_name ON crm.contacts (last_name, first_name);
CREATE INDEX contacts_email ON crm.contacts (lower(email::text)) INCLUDE (id);
CREATE TRIGGER touch BEFORE UPDATE ON crm.contacts FOR EACH ROW EXECUTE FUNCTION core.touch();
CREATE TABLE crm.contact_tags (contact_id uuid NOT NULL REFERENCES crm.contacts ON DELETE CASCADE, tag_id bigint NOT NULL REFERENCES core.tags ON DELETE CASCADE, organization_id uuid NOT NULL, PRIMARY KEY (contact_id, tag_id));
CREATE TABLE crm.contact_emails (id bigserial PRIMARY KEY, contact_id uuid NOT NULL REFERENCES crm.contacts ON DELETE CASCADE, email core.email NOT NULL, label text);
CREATE TABLE crm.contact_phones (id bigserial PRIMARY KEY, contact_id uuid NOT NULL REFERENCES crm.contacts ON DELETE CASCADE, number text NOT NULL);
CREATE TABLE crm.pipelines (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL);
CREATE TABLE crm.stages (id bigserial PRIMARY KEY, pipeline_id bigint NOT NULL REFERENCES crm.pipelines ON DELETE CASCADE, name text NOT NULL, place int NOT NULL, UNIQUE (pipeline_id, place) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE crm.stage_rules (id bigserial PRIMARY KEY, stage_id bigint NOT NULL REFERENCES crm.stages ON DELETE CASCADE, rule jsonb NOT NULL);
CREATE TABLE crm.deals (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, company_id uuid REFERENCES crm.companies ON DELETE RESTRICT, contact_id uuid REFERENCES crm.contacts ON DELETE SET NULL, stage_id bigint NOT NULL, owner_id uuid REFERENCES core.users, state crm.deal_state NOT NULL DEFAULT 'open', amount core.amount, currency char(3) REFERENCES core.currencies, closes_on date);
CREATE INDEX deals_state ON crm.deals (state, closes_on);
CREATE INDEX deals_amount ON crm.deals (amount DESC NULLS LAST);
CREATE TABLE crm.deal_contacts (deal_id uuid NOT NULL REFERENCES crm.deals ON DELETE CASCADE, contact_id uuid NOT NULL REFERENCES crm.contacts ON DELETE CASCADE, organization_id uuid NOT NULL, PRIMARY KEY (deal_id, contact_id));
CREATE TABLE crm.deal_history (id bigserial PRIMARY KEY, deal_id uuid NOT NULL REFERENCES crm.deals ON DELETE CASCADE, field text NOT NULL, old text, new text, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE crm.activities (id uuid NOT NULL DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, kind text NOT NULL, contact_id uuid REFERENCES crm.contacts, happened_at timestamptz NOT NULL, body text, PRIMARY KEY (id, happened_at, kind)) PARTITION BY RANGE (happened_at);
CREATE TABLE crm.activities_old PARTITION OF crm.activities FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE crm.activities_2026 PARTITION OF crm.activities FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (kind);
CREATE TABLE crm.activities_2026_calls PARTITION OF crm.activities_2026 FOR VALUES IN ('call');
CREATE TABLE crm.activities_2026_rest PARTITION OF crm.activities_2026 DEFAULT;
CREATE INDEX activities_time ON crm.activities (happened_at DESC);
CREATE TABLE crm.segments (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL, filter jsonb NOT NULL);
CREATE TABLE crm.segment_contacts (segment_id bigint NOT NULL REFERENCES crm.segments ON DELETE CASCADE, contact_id uuid NOT NULL, PRIMARY KEY (segment_id, contact_id));
CREATE TABLE crm.campaigns (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, segment_id bigint REFERENCES crm.segments, name text NOT NULL, during daterange, EXCLUDE USING gist (during WITH &&));
CREATE TABLE crm.campaign_messages (id bigserial PRIMARY KEY, campaign_id uuid NOT NULL REFERENCES crm.campaigns ON DELETE CASCADE, subject text NOT NULL, body text NOT NULL);
CREATE TABLE crm.campaign_events (campaign_id uuid NOT NULL REFERENCES crm.campaigns, contact_id uuid NOT NULL, kind text NOT NULL, at timestamptz NOT NULL DEFAULT now(), organization_id uuid NOT NULL);
CREATE INDEX campaign_events_at ON crm.campaign_events USING brin (at);
CREATE TABLE crm.forms (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, title text NOT NULL, fields jsonb NOT NULL DEFAULT '[]');
CREATE TABLE crm.form_entries (id bigserial PRIMARY KEY, form_id uuid NOT NULL REFERENCES crm.forms ON DELETE CASCADE, answers jsonb NOT NULL, contact_id uuid REFERENCES crm.contacts ON DELETE SET NULL, organization_id uuid);
CREATE TABLE crm.notes (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, body text NOT NULL, author_id uuid REFERENCES core.users ON DELETE SET NULL);
CREATE TABLE crm.call_notes (call_sid text NOT NULL, duration interval) INHERITS (crm.notes);
CREATE TABLE crm.imports (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, file_id uuid REFERENCES core.files, state text NOT NULL DEFAULT 'new');
CREATE TABLE crm.import_rows (import_id bigint NOT NULL REFERENCES crm.imports ON DELETE CASCADE, number int NOT NULL, data jsonb NOT NULL, error text, PRIMARY KEY (import_id, number));

-- Invoices and money.
CREATE TABLE billing.tax_rates (id serial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL, rate numeric(6,4) NOT NULL);
CREATE TABLE billing.products (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, sku text NOT NULL UNIQUE, name text NOT NULL, price core.amount NOT NULL, tax_rate_id int REFERENCES billing.tax_rates);
CREATE TABLE billing.price_lists (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL, currency char(3) NOT NULL REFERENCES core.currencies);
CREATE TABLE billing.prices (price_list_id bigint NOT NULL REFERENCES billing.price_lists ON DELETE CASCADE, product_id uuid NOT NULL REFERENCES billing.products ON DELETE CASCADE, organization_id uuid NOT NULL, price core.amount NOT NULL, PRIMARY KEY (price_list_id, product_id));
CREATE TABLE billing.customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, company_id uuid REFERENCES crm.companies, number bigint GENERATED BY DEFAULT AS IDENTITY UNIQUE, vat_id text);
CREATE TABLE billing.invoices (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES core.organizations (id), customer_id uuid NOT NULL REFERENCES billing.customers ON UPDATE CASCADE, number text NOT NULL, state billing.invoice_state NOT NULL DEFAULT 'draft', issued_on date, due_on date, total core.amount NOT NULL DEFAULT 0, currency char(3) NOT NULL DEFAULT 'EUR' REFERENCES core.currencies, UNIQUE (organization_id, number));
CREATE INDEX invoices_due ON billing.invoices (due_on) WHERE state = 'sent';
CREATE INDEX invoices_customer ON billing.invoices (customer_id);
CREATE TABLE billing.invoice_lines (id bigserial PRIMARY KEY, invoice_id uuid NOT NULL REFERENCES billing.invoices ON DELETE CASCADE, product_id uuid, place int NOT NULL, quantity numeric(12,3) NOT NULL, price core.amount NOT NULL, total numeric GENERATED ALWAYS AS (quantity * price) STORED);
CREATE INDEX invoice_lines_invoice ON billing.invoice_lines (invoice_id, place);
CREATE TABLE billing.line_taxes (line_id bigint NOT NULL REFERENCES billing.invoice_lines ON DELETE CASCADE, tax_rate_id int NOT NULL, amount core.amount NOT NULL, PRIMARY KEY (line_id, tax_rate_id));
CREATE TABLE billing.payments (id uuid NOT NULL DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, invoice_id uuid REFERENCES billing.invoices ON DELETE RESTRICT, amount core.amount NOT NULL, paid_at timestamptz NOT NULL, PRIMARY KEY (organization_id, id)) PARTITION BY HASH (organization_id);
CREATE TABLE billing.payments_0 PARTITION OF billing.payments FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE billing.payments_1 PARTITION OF billing.payments FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE billing.credit_notes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), invoice_id uuid NOT NULL REFERENCES billing.invoices, amount core.amount NOT NULL, reason text);
CREATE TABLE billing.credit_note_lines (id bigserial PRIMARY KEY, credit_note_id uuid NOT NULL REFERENCES billing.credit_notes ON DELETE CASCADE, body text NOT NULL);
CREATE TABLE billing.subscriptions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, customer_id uuid NOT NULL REFERENCES billing.customers, product_id uuid NOT NULL REFERENCES billing.products, during tstzrange NOT NULL DEFAULT tstzrange(now(), NULL));
CREATE TABLE billing.subscription_items (id bigserial PRIMARY KEY, subscription_id uuid NOT NULL REFERENCES billing.subscriptions ON DELETE CASCADE, quantity int NOT NULL DEFAULT 1);
CREATE TABLE billing.usage (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item_id bigint NOT NULL REFERENCES billing.subscription_items ON DELETE CASCADE, at timestamptz NOT NULL, amount numeric NOT NULL);
CREATE TABLE billing.coupons (code text PRIMARY KEY, organization_id uuid NOT NULL, percent core.percentage NOT NULL);
CREATE TABLE billing.coupon_uses (coupon text NOT NULL REFERENCES billing.coupons, invoice_id uuid NOT NULL REFERENCES billing.invoices, organization_id uuid NOT NULL, PRIMARY KEY (coupon, invoice_id));
CREATE TABLE billing.accounts (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, code text NOT NULL, name text NOT NULL, parent_id bigint REFERENCES billing.accounts ON DELETE CASCADE, UNIQUE (organization_id, code));
CREATE TABLE billing.journals (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL);
CREATE TABLE billing.journal_entries (id bigserial PRIMARY KEY, journal_id bigint NOT NULL REFERENCES billing.journals, posted_on date NOT NULL, memo text);
CREATE TABLE billing.postings (id bigserial PRIMARY KEY, entry_id bigint NOT NULL REFERENCES billing.journal_entries ON DELETE CASCADE, account bigint NOT NULL, amount numeric(14,2) NOT NULL);
CREATE TABLE billing.bank_accounts (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, iban text NOT NULL, UNIQUE (iban));
CREATE TABLE billing.bank_lines (id bigserial PRIMARY KEY, bank_account_id bigint NOT NULL REFERENCES billing.bank_accounts ON DELETE CASCADE, booked_on date NOT NULL, amount numeric(14,2) NOT NULL, body text);
CREATE INDEX bank_lines_day ON billing.bank_lines (booked_on);
CREATE TABLE billing.reminders (id bigserial PRIMARY KEY, invoice_id uuid NOT NULL REFERENCES billing.invoices ON DELETE CASCADE, level int NOT NULL DEFAULT 1, sent_at timestamptz);

-- Projects and tasks.
CREATE TABLE work.projects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES core.organizations (id), customer_id uuid REFERENCES billing.customers ON DELETE SET NULL, name text NOT NULL, lead_id uuid REFERENCES core.users ON DELETE SET NULL, archived boolean NOT NULL DEFAULT false);
CREATE INDEX projects_archived ON work.projects (archived) WHERE NOT archived;
CREATE TABLE work.project_members (project_id uuid NOT NULL REFERENCES work.projects ON DELETE CASCADE, user_id uuid NOT NULL REFERENCES core.users ON DELETE CASCADE, PRIMARY KEY (project_id, user_id));
CREATE TABLE work.milestones (id bigserial PRIMARY KEY, project_id uuid NOT NULL REFERENCES work.projects ON DELETE CASCADE, name text NOT NULL, due_on date);
CREATE TABLE work.tasks (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, organization_id uuid NOT NULL, project_id uuid NOT NULL REFERENCES work.projects ON DELETE CASCADE, parent_id bigint REFERENCES work.tasks ON DELETE CASCADE, milestone_id bigint REFERENCES work.milestones ON DELETE SET NULL, title text NOT NULL, state work.task_state NOT NULL DEFAULT 'todo', priority core.priority NOT NULL DEFAULT 'normal', "order" int NOT NULL DEFAULT 0, updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX tasks_state ON work.tasks (state, priority);
CREATE INDEX tasks_order ON work.tasks (project_id, "order");
CREATE TRIGGER touch BEFORE UPDATE ON work.tasks FOR EACH ROW EXECUTE FUNCTION core.touch();
CREATE TABLE work.task_assignees (task_id bigint NOT NULL REFERENCES work.tasks ON DELETE CASCADE, user_id uuid NOT NULL REFERENCES core.users ON DELETE CASCADE, organization_id uuid NOT NULL, PRIMARY KEY (task_id, user_id));
CREATE TABLE work.task_links (from_id bigint NOT NULL REFERENCES work.tasks ON DELETE CASCADE, to_id bigint NOT NULL REFERENCES work.tasks ON DELETE CASCADE, kind text NOT NULL, organization_id uuid NOT NULL, PRIMARY KEY (from_id, to_id, kind));
CREATE TABLE work.task_comments (id bigserial PRIMARY KEY, task_id bigint NOT NULL REFERENCES work.tasks ON DELETE CASCADE, body text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE work.comment_reactions (comment_id bigint NOT NULL REFERENCES work.task_comments ON DELETE CASCADE, emoji text NOT NULL, by_user uuid NOT NULL, PRIMARY KEY (comment_id, emoji, by_user));
CREATE TABLE work.checklists (id bigserial PRIMARY KEY, task_id bigint NOT NULL REFERENCES work.tasks ON DELETE CASCADE, title text NOT NULL);
CREATE TABLE work.checklist_items (id bigserial PRIMARY KEY, checklist_id bigint NOT NULL REFERENCES work.checklists ON DELETE CASCADE, title text NOT NULL, done boolean NOT NULL DEFAULT false);
CREATE TABLE work.time_entries (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, user_id uuid NOT NULL REFERENCES core.users, task_id bigint REFERENCES work.tasks ON DELETE SET NULL, during tstzrange NOT NULL, EXCLUDE USING gist (during WITH &&) WHERE (false));
CREATE TABLE work.boards (id bigserial PRIMARY KEY, project_id uuid NOT NULL REFERENCES work.projects ON DELETE CASCADE, name text NOT NULL);
CREATE TABLE work.board_columns (id bigserial PRIMARY KEY, board_id bigint NOT NULL REFERENCES work.boards ON DELETE CASCADE, name text NOT NULL, place int NOT NULL);
CREATE TABLE work.task_positions (task_id bigint NOT NULL REFERENCES work.tasks ON DELETE CASCADE, column_id bigint NOT NULL REFERENCES work.board_columns ON DELETE CASCADE, place int NOT NULL, PRIMARY KEY (task_id, column_id));
CREATE TABLE work.templates (id bigserial PRIMARY KEY, organization_id uuid, name text NOT NULL, body jsonb NOT NULL DEFAULT '{}');
CREATE TABLE work.documents (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, project_id uuid REFERENCES work.projects ON DELETE CASCADE, title text NOT NULL, body text NOT NULL DEFAULT '');
CREATE INDEX documents_text ON work.documents USING gin (to_tsvector('english', title || ' ' || body));
CREATE TABLE work.document_versions (document_id uuid NOT NULL REFERENCES work.documents ON DELETE CASCADE, number int NOT NULL, body text NOT NULL, PRIMARY KEY (document_id, number));
CREATE TABLE work.attachments (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, file_id uuid NOT NULL REFERENCES core.files, task_id bigint REFERENCES work.tasks ON DELETE CASCADE, document_id uuid REFERENCES work.documents ON DELETE CASCADE, CHECK (num_nonnulls(task_id, document_id) = 1));

-- Support.
CREATE TABLE support.inboxes (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, address core.email NOT NULL UNIQUE, channel support.channel NOT NULL DEFAULT 'mail');
CREATE TABLE support.tickets (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, inbox_id bigint NOT NULL REFERENCES support.inboxes, contact_id uuid REFERENCES crm.contacts ON DELETE SET NULL, assignee_id uuid REFERENCES core.users ON DELETE SET NULL, subject text NOT NULL, priority core.priority NOT NULL DEFAULT 'normal', state text NOT NULL DEFAULT 'open', closed_at timestamptz);
CREATE INDEX tickets_state ON support.tickets USING hash (state);
CREATE INDEX tickets_assignee ON support.tickets (assignee_id, state) WHERE closed_at IS NULL;
CREATE TABLE support.messages (id bigserial PRIMARY KEY, ticket_id bigint NOT NULL REFERENCES support.tickets ON DELETE CASCADE, author text NOT NULL, body text NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX messages_body ON support.messages USING gin (to_tsvector('simple', body));
CREATE TABLE support.message_attachments (message_id bigint NOT NULL REFERENCES support.messages ON DELETE CASCADE, name text NOT NULL, content bytea);
CREATE TABLE support.macros (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, title text NOT NULL, body text NOT NULL);
CREATE TABLE support.sla_policies (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, priority core.priority NOT NULL, answer_within interval NOT NULL, UNIQUE (organization_id, priority));
CREATE TABLE support.ratings (ticket_id bigint PRIMARY KEY REFERENCES support.tickets ON DELETE CASCADE, stars smallint NOT NULL CHECK (stars BETWEEN 1 AND 5), comment text);
CREATE TABLE support.articles (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, slug text NOT NULL, title text NOT NULL, body text NOT NULL, published boolean NOT NULL DEFAULT false, UNIQUE (organization_id, slug));
CREATE TABLE support.article_votes (article_id bigint NOT NULL REFERENCES support.articles ON DELETE CASCADE, visitor text NOT NULL, up boolean NOT NULL, PRIMARY KEY (article_id, visitor));
CREATE TABLE support.chat_rooms (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, topic text);
CREATE TABLE support.chat_lines (room_id uuid NOT NULL REFERENCES support.chat_rooms ON DELETE CASCADE, number bigint GENERATED ALWAYS AS IDENTITY, author text NOT NULL, body text NOT NULL, PRIMARY KEY (room_id, number));

-- People of the organization.
CREATE TABLE hr.employees (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, user_id uuid UNIQUE REFERENCES core.users ON DELETE SET NULL, manager_id uuid REFERENCES hr.employees, name text NOT NULL, born_on date, hired_on date NOT NULL DEFAULT current_date);
CREATE TABLE hr.contracts (id bigserial PRIMARY KEY, employee_id uuid NOT NULL REFERENCES hr.employees ON DELETE CASCADE, salary core.amount NOT NULL, during daterange NOT NULL);
CREATE TABLE hr.absences (id bigserial PRIMARY KEY, employee_id uuid NOT NULL REFERENCES hr.employees ON DELETE CASCADE, during daterange NOT NULL, kind text NOT NULL);
CREATE TABLE hr.payrolls (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, month date NOT NULL, UNIQUE (organization_id, month));
CREATE TABLE hr.payslips (payroll_id bigint NOT NULL REFERENCES hr.payrolls ON DELETE CASCADE, employee_id uuid NOT NULL REFERENCES hr.employees, organization_id uuid NOT NULL, gross core.amount NOT NULL, net core.amount NOT NULL, PRIMARY KEY (payroll_id, employee_id));
CREATE TABLE hr.skills (id serial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL);
CREATE TABLE hr.employee_skills (employee_id uuid NOT NULL REFERENCES hr.employees ON DELETE CASCADE, skill_id int NOT NULL REFERENCES hr.skills ON DELETE CASCADE, organization_id uuid NOT NULL, level core.percentage, PRIMARY KEY (employee_id, skill_id));
CREATE TABLE hr.reviews (id bigserial PRIMARY KEY, employee_id uuid NOT NULL REFERENCES hr.employees, reviewer_id uuid NOT NULL REFERENCES hr.employees, body text);
CREATE TABLE hr.applicants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, name text NOT NULL, email core.email);
CREATE TABLE hr.interviews (id bigserial PRIMARY KEY, applicant_id uuid NOT NULL REFERENCES hr.applicants ON DELETE CASCADE, at timestamptz NOT NULL, verdict text);

-- Stock.
CREATE TABLE stock.warehouses (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, name text NOT NULL);
CREATE TABLE stock.shelves (id bigserial PRIMARY KEY, warehouse_id bigint NOT NULL REFERENCES stock.warehouses ON DELETE CASCADE, code text NOT NULL, UNIQUE (warehouse_id, code));
CREATE TABLE stock.bins (id bigserial PRIMARY KEY, shelf_id bigint NOT NULL REFERENCES stock.shelves ON DELETE CASCADE, code text NOT NULL);
CREATE TABLE stock.levels (bin_id bigint NOT NULL REFERENCES stock.bins ON DELETE CASCADE, product uuid NOT NULL, quantity int NOT NULL DEFAULT 0, PRIMARY KEY (bin_id, product));
CREATE TABLE stock.movements (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, from_bin bigint REFERENCES stock.bins, to_bin bigint REFERENCES stock.bins, product_id uuid NOT NULL REFERENCES billing.products, quantity int NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE stock.suppliers (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, company_id uuid REFERENCES crm.companies, name text NOT NULL);
CREATE TABLE stock.purchase_orders (id bigserial PRIMARY KEY, supplier_id bigint NOT NULL REFERENCES stock.suppliers, ordered_on date NOT NULL DEFAULT current_date);
CREATE TABLE stock.purchase_lines (id bigserial PRIMARY KEY, purchase_order_id bigint NOT NULL REFERENCES stock.purchase_orders ON DELETE CASCADE, product uuid, quantity int NOT NULL);
CREATE TABLE stock.shipments (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, invoice_id uuid REFERENCES billing.invoices ON DELETE SET NULL, tracking text);
CREATE TABLE stock.parcels (shipment_id bigint NOT NULL REFERENCES stock.shipments ON DELETE CASCADE, number int NOT NULL, grams int, PRIMARY KEY (shipment_id, number));

-- Names that need quoting, and everything else that grows somewhere.
CREATE TABLE "Reporting"."Saved Reports" ("Id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL, "Title" text NOT NULL, "select" jsonb);
CREATE TABLE "Reporting"."Report Runs" ("Id" bigserial PRIMARY KEY, "Report Id" uuid NOT NULL REFERENCES "Reporting"."Saved Reports" ON DELETE CASCADE, "Ran At" timestamptz NOT NULL DEFAULT now());
CREATE TABLE "Reporting"."user" (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, "table" text, "O'Brien" text);
CREATE INDEX "user ""by"" table" ON "Reporting"."user" ("table");
CREATE TABLE "Reporting".a_table_whose_name_is_already_as_long_as_postgresql_lets_it_be_ (id bigserial PRIMARY KEY, organization_id uuid NOT NULL, saved_report_that_this_long_named_table_points_at_and_more uuid REFERENCES "Reporting"."Saved Reports" ON DELETE SET NULL);
CREATE TABLE "Reporting".snapshots (organization_id uuid NOT NULL, taken_on date NOT NULL, numbers jsonb NOT NULL);
CREATE UNLOGGED TABLE "Reporting".cache (organization_id uuid NOT NULL, name text NOT NULL, value bytea, PRIMARY KEY (organization_id, name));

CREATE VIEW crm.open_deals AS SELECT d.*, c.name AS company FROM crm.deals d LEFT JOIN crm.companies c ON c.id = d.company_id WHERE d.state = 'open';
CREATE VIEW crm.big_deals AS SELECT * FROM crm.open_deals WHERE amount > 10000;
CREATE VIEW billing.overdue AS SELECT i.id, i.organization_id, i.number, i.total FROM billing.invoices i WHERE i.state = 'sent' AND i.due_on < current_date;
CREATE VIEW work.my_tasks WITH (security_barrier = true) AS SELECT t.id, t.title, t.state FROM work.tasks t WHERE t.state <> 'done' WITH LOCAL CHECK OPTION;
CREATE VIEW core.country_names AS SELECT code, name FROM core.countries;
CREATE MATERIALIZED VIEW billing.monthly_sales AS SELECT organization_id, date_trunc('month', issued_on) AS month, sum(total) AS total FROM billing.invoices GROUP BY 1, 2;
CREATE MATERIALIZED VIEW crm.totals AS SELECT count(*) AS contacts FROM crm.contacts;
CREATE VIEW billing.sales AS SELECT * FROM billing.monthly_sales;

CREATE FUNCTION crm.contact_count(org uuid) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT count(*) FROM crm.contacts WHERE organization_id = org $$;
CREATE FUNCTION core.log_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO core.audit_log (organization_id, action) VALUES (NEW.organization_id, TG_TABLE_NAME); RETURN NEW; END $$;
CREATE TRIGGER log_change AFTER INSERT OR UPDATE ON billing.invoices FOR EACH ROW EXECUTE FUNCTION core.log_change();

COMMENT ON CONSTRAINT invoices_customer_id_fkey ON billing.invoices IS 'who pays''s it';
COMMENT ON INDEX crm.deals_state IS 'the "pipeline" page';

CREATE STATISTICS work.tasks_state_priority ON state, priority FROM work.tasks;
ALTER TABLE core.users ALTER COLUMN email SET STATISTICS 500;
GRANT SELECT ON core.countries TO PUBLIC;
GRANT SELECT (id, name) ON core.users TO PUBLIC;
GRANT ALL ON billing.coupons TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm GRANT SELECT, TRUNCATE ON TABLES TO PUBLIC;
