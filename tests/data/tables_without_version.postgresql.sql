-- The tables of this package as they were before they had a version, with a row or two in each.
CREATE TABLE public.workspace_plugin_receipts (
    run_uuid character varying(32) NOT NULL,
    key character varying(250) NOT NULL,
    writer character varying(64) NOT NULL,
    logged bigint NOT NULL,
    stored bigint NOT NULL,
    repeated bigint NOT NULL,
    refused bigint NOT NULL,
    dropped bigint NOT NULL
);
CREATE TABLE public.workspace_plugin_rows (
    run_uuid character varying(32) NOT NULL,
    "table" character varying(64) NOT NULL,
    step bigint NOT NULL,
    "timestamp" bigint NOT NULL
);
CREATE TABLE public.workspace_plugin_workspaces (
    name character varying(63) NOT NULL,
    display_name character varying(255) NOT NULL,
    subscription_id character varying(255) NOT NULL,
    resource_group character varying(255) NOT NULL,
    location character varying(255) NOT NULL,
    created_at bigint NOT NULL,
    tags json NOT NULL
);
CREATE TABLE public.workspace_plugin_writers (
    writer character varying(64) NOT NULL,
    sequence bigint NOT NULL
);
INSERT INTO public.workspace_plugin_receipts (run_uuid, key, writer, logged, stored, repeated, refused, dropped) VALUES ('0123456789abcdef0123456789abcdef', 'loss', 'host-1-a1b2', 10, 7, 1, 2, 0);
INSERT INTO public.workspace_plugin_rows (run_uuid, "table", step, "timestamp") VALUES ('0123456789abcdef0123456789abcdef', 'confusion', 3, 1764000000002);
INSERT INTO public.workspace_plugin_workspaces (name, display_name, subscription_id, resource_group, location, created_at, tags) VALUES ('contoso-ml', 'Contoso_ML', '12345678-0000-0000-0000-000000000000', 'research', 'westeurope', 1764000000000, '{"team": "vision"}');
INSERT INTO public.workspace_plugin_workspaces (name, display_name, subscription_id, resource_group, location, created_at, tags) VALUES ('default', 'default', '00000000-0000-0000-0000-000000000000', 'local', 'local', 1764000000001, '{}');
INSERT INTO public.workspace_plugin_writers (writer, sequence) VALUES ('host-1-a1b2', 41);
ALTER TABLE ONLY public.workspace_plugin_receipts
    ADD CONSTRAINT workspace_plugin_receipts_pkey PRIMARY KEY (run_uuid, key, writer);
ALTER TABLE ONLY public.workspace_plugin_rows
    ADD CONSTRAINT workspace_plugin_rows_pkey PRIMARY KEY (run_uuid, "table", step, "timestamp");
ALTER TABLE ONLY public.workspace_plugin_workspaces
    ADD CONSTRAINT workspace_plugin_workspaces_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.workspace_plugin_writers
    ADD CONSTRAINT workspace_plugin_writers_pkey PRIMARY KEY (writer);
