-- The tables of this package as they were before they had a version, with a row or two in each.
BEGIN TRANSACTION;
CREATE TABLE workspace_plugin_receipts (
	run_uuid VARCHAR(32) NOT NULL,
	"key" VARCHAR(250) NOT NULL,
	writer VARCHAR(64) NOT NULL,
	logged BIGINT NOT NULL,
	stored BIGINT NOT NULL,
	repeated BIGINT NOT NULL,
	refused BIGINT NOT NULL,
	dropped BIGINT NOT NULL,
	PRIMARY KEY (run_uuid, "key", writer)
);
INSERT INTO "workspace_plugin_receipts" VALUES('0123456789abcdef0123456789abcdef','loss','host-1-a1b2',10,7,1,2,0);
CREATE TABLE workspace_plugin_rows (
	run_uuid VARCHAR(32) NOT NULL,
	"table" VARCHAR(64) NOT NULL,
	step BIGINT NOT NULL,
	timestamp BIGINT NOT NULL,
	PRIMARY KEY (run_uuid, "table", step, timestamp)
);
INSERT INTO "workspace_plugin_rows" VALUES('0123456789abcdef0123456789abcdef','confusion',3,1764000000002);
CREATE TABLE workspace_plugin_workspaces (
	name VARCHAR(63) NOT NULL,
	display_name VARCHAR(255) NOT NULL,
	subscription_id VARCHAR(255) NOT NULL,
	resource_group VARCHAR(255) NOT NULL,
	location VARCHAR(255) NOT NULL,
	created_at BIGINT NOT NULL,
	tags JSON NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "workspace_plugin_workspaces" VALUES('contoso-ml','Contoso_ML','12345678-0000-0000-0000-000000000000','research','westeurope',1764000000000,'{"team": "vision"}');
INSERT INTO "workspace_plugin_workspaces" VALUES('default','default','00000000-0000-0000-0000-000000000000','local','local',1764000000001,'{}');
CREATE TABLE workspace_plugin_writers (
	writer VARCHAR(64) NOT NULL,
	sequence BIGINT NOT NULL,
	PRIMARY KEY (writer)
);
INSERT INTO "workspace_plugin_writers" VALUES('host-1-a1b2',41);
COMMIT;
