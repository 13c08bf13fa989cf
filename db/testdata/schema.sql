CREATE TABLE api_key_uses (
	key_row  INTEGER NOT NULL REFERENCES api_keys (row),
	hour     INTEGER NOT NULL, -- hours since 1970
	method   TEXT    NOT NULL,
	endpoint TEXT    NOT NULL, -- the route's pattern
	status   INTEGER NOT NULL,
	address  TEXT    NOT NULL, -- "" when unknown
	agent    TEXT    NOT NULL,
	requests INTEGER NOT NULL,
	duration INTEGER NOT NULL, -- of all requests together, in nanoseconds
	last_at  INTEGER NOT NULL,
	PRIMARY KEY (key_row, hour, method, endpoint, status, address, agent)
) WITHOUT ROWID;
CREATE TABLE api_keys (
	row               INTEGER PRIMARY KEY,
	id                TEXT    NOT NULL UNIQUE,
	owner_id          TEXT    NOT NULL REFERENCES users (id),
	name              TEXT    NOT NULL,
	hash              TEXT    NOT NULL UNIQUE,
	prefix            TEXT    NOT NULL,
	organization_type TEXT    NOT NULL,
	organization_id   TEXT    NOT NULL, -- "" when none
	permissions       TEXT    NOT NULL, -- JSON object
	allowed_endpoints TEXT    NOT NULL, -- JSON array
	allowed_ips       TEXT    NOT NULL, -- JSON array
	active            INTEGER NOT NULL,
	revoked_for_cause INTEGER NOT NULL,
	rate_limit_per_hour INTEGER NOT NULL,
	notes             TEXT    NOT NULL,
	created_at        INTEGER NOT NULL,
	expires_at        INTEGER NOT NULL, -- 0: never
	last_used_at      INTEGER NOT NULL, -- 0: never
	usage_count       INTEGER NOT NULL
);
CREATE TABLE canonical_identifiers (
	key      TEXT    PRIMARY KEY,
	item_row INTEGER NOT NULL REFERENCES items (row)
) WITHOUT ROWID;
CREATE TABLE circuit_activities (
	row          INTEGER PRIMARY KEY,
	id           TEXT    NOT NULL, -- random: an index would touch a page for each row
	circuit_row  INTEGER NOT NULL REFERENCES circuits (row),
	circuit_name TEXT    NOT NULL,
	type         TEXT    NOT NULL,
	dfids        TEXT    NOT NULL, -- JSON array
	user_id      TEXT    NOT NULL,
	at           INTEGER NOT NULL,
	status       TEXT    NOT NULL,
	items_count  INTEGER NOT NULL
);
CREATE TABLE circuit_fingerprints (
	circuit_row INTEGER NOT NULL REFERENCES circuits (row),
	fingerprint TEXT    NOT NULL,
	item_row    INTEGER NOT NULL REFERENCES items (row),
	PRIMARY KEY (circuit_row, fingerprint)
) WITHOUT ROWID;
CREATE TABLE circuit_items (
	circuit_row INTEGER NOT NULL REFERENCES circuits (row),
	item_row    INTEGER NOT NULL REFERENCES items (row),
	pushed_by   TEXT    NOT NULL,
	pushed_at   INTEGER NOT NULL,
	permissions TEXT    NOT NULL, -- JSON array
	whole       INTEGER NOT NULL,
	quoted      TEXT    NOT NULL, -- JSON array of namespace:key:value
	PRIMARY KEY (circuit_row, item_row)
) WITHOUT ROWID;
CREATE TABLE circuit_members (
	row         INTEGER PRIMARY KEY, -- order of joining
	circuit_row INTEGER NOT NULL REFERENCES circuits (row),
	user_id     TEXT    NOT NULL,
	role        TEXT    NOT NULL,
	custom_role TEXT    NOT NULL,
	permissions TEXT    NOT NULL, -- JSON array
	joined_at   INTEGER NOT NULL,
	UNIQUE (circuit_row, user_id)
);
CREATE TABLE circuit_operations (
	row          INTEGER PRIMARY KEY,
	id           TEXT    NOT NULL UNIQUE,
	circuit_row  INTEGER NOT NULL REFERENCES circuits (row),
	dfid         TEXT    NOT NULL,
	type         TEXT    NOT NULL,
	requester_id TEXT    NOT NULL,
	at           INTEGER NOT NULL,
	status       TEXT    NOT NULL,
	metadata     TEXT    NOT NULL -- JSON object
, plan TEXT NOT NULL DEFAULT '', decided_by TEXT NOT NULL DEFAULT '', decided_at INTEGER NOT NULL DEFAULT 0);
CREATE TABLE circuit_published (
	circuit_row  INTEGER NOT NULL REFERENCES circuits (row),
	item_row     INTEGER NOT NULL REFERENCES items (row),
	published_at INTEGER NOT NULL,
	PRIMARY KEY (circuit_row, item_row)
) WITHOUT ROWID;
CREATE TABLE circuit_roles (
	row         INTEGER PRIMARY KEY,
	id          TEXT    NOT NULL UNIQUE,
	circuit_row INTEGER NOT NULL REFERENCES circuits (row),
	name        TEXT    NOT NULL,
	permissions TEXT    NOT NULL, -- JSON array
	description TEXT    NOT NULL,
	color       TEXT    NOT NULL,
	is_default  INTEGER NOT NULL,
	created_by  TEXT    NOT NULL,
	created_at  INTEGER NOT NULL,
	UNIQUE (circuit_row, name)
);
CREATE TABLE circuits (
	row             INTEGER PRIMARY KEY,
	id              TEXT    NOT NULL UNIQUE,
	name            TEXT    NOT NULL,
	description     TEXT    NOT NULL,
	owner_id        TEXT    NOT NULL,
	default_namespace TEXT  NOT NULL,
	status          TEXT    NOT NULL,
	approve_push    INTEGER NOT NULL,
	approve_pull    INTEGER NOT NULL,
	is_public       INTEGER NOT NULL,
	alias_config    TEXT    NOT NULL, -- JSON object or ""
	adapter         TEXT    NOT NULL, -- JSON object
	public_settings TEXT    NOT NULL, -- JSON object or ""
	created_at      INTEGER NOT NULL,
	modified_at     INTEGER NOT NULL
);
CREATE TABLE counters (
	name  TEXT    PRIMARY KEY,
	value INTEGER NOT NULL
);
CREATE TABLE credit_transactions (
	row            INTEGER PRIMARY KEY,
	id             TEXT    NOT NULL UNIQUE,
	user_id        TEXT    NOT NULL REFERENCES users (id),
	amount         INTEGER NOT NULL,
	type           TEXT    NOT NULL,
	description    TEXT    NOT NULL,
	operation_type TEXT    NOT NULL,
	operation_id   TEXT    NOT NULL,
	at             INTEGER NOT NULL,
	balance_after  INTEGER NOT NULL
);
CREATE TABLE events (
	row               INTEGER PRIMARY KEY,
	id                TEXT    NOT NULL UNIQUE,
	dfid              TEXT    NOT NULL,
	type              TEXT    NOT NULL,
	at                INTEGER NOT NULL,
	source            TEXT    NOT NULL,
	metadata          TEXT    NOT NULL, -- JSON object, canonical
	encrypted         INTEGER NOT NULL,
	visibility        TEXT    NOT NULL,
	content_hash      TEXT    NOT NULL,
	leaf_hash         TEXT    NOT NULL,
	local_event_id    TEXT    NOT NULL, -- "" when none
	is_local          INTEGER NOT NULL,
	pushed_to_circuit TEXT    NOT NULL  -- "" when none
);
CREATE TABLE ipfs_blocks (
	cid  TEXT PRIMARY KEY,
	data BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE item_identifiers (
	hash     INTEGER NOT NULL,
	item_row INTEGER NOT NULL,
	PRIMARY KEY (hash, item_row)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE item_search USING fts5 (
	text, content = '', contentless_delete = 1, detail = none,
	tokenize = 'trigram case_sensitive 1'
);
CREATE TABLE item_search_changes (
	seq      INTEGER PRIMARY KEY,
	item_row INTEGER NOT NULL, -- no foreign key: the item may be gone
	rehash   INTEGER NOT NULL  -- its identifier index is from before normal forms
);
CREATE TABLE 'item_search_config'(k PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE 'item_search_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE 'item_search_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);
CREATE TABLE 'item_search_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE item_shares (
	row          INTEGER PRIMARY KEY,
	id           TEXT    NOT NULL UNIQUE, -- SHARE-<time>-<8 hex digits>
	item_row     INTEGER NOT NULL REFERENCES items (row),
	recipient_id TEXT    NOT NULL,
	shared_by    TEXT    NOT NULL,
	permissions  TEXT    NOT NULL, -- JSON array, "" when none were given
	shared_at    INTEGER NOT NULL,
	UNIQUE (item_row, recipient_id)
);
CREATE TABLE items (
	row            INTEGER PRIMARY KEY,
	dfid           TEXT    NOT NULL UNIQUE, -- or "LID-<uuid>" while local
	local_id       TEXT    NOT NULL,        -- "" when none
	owner_id       TEXT    NOT NULL,
	workspace_id   TEXT    NOT NULL,
	legacy_mode    INTEGER NOT NULL,
	identifiers    TEXT    NOT NULL, -- JSON array
	aliases        TEXT    NOT NULL, -- JSON array
	fingerprint    TEXT    NOT NULL,
	data           TEXT    NOT NULL, -- JSON object, canonical
	provenance     TEXT    NOT NULL, -- JSON object
	source_entries TEXT    NOT NULL, -- JSON array
	confidence     REAL    NOT NULL,
	status         TEXT    NOT NULL,
	merged_into    TEXT    NOT NULL,
	merkle_root    TEXT    NOT NULL,
	event_count    INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	modified_at    INTEGER NOT NULL
);
CREATE TABLE join_requests (
	row          INTEGER PRIMARY KEY,
	circuit_row  INTEGER NOT NULL REFERENCES circuits (row),
	requester_id TEXT    NOT NULL,
	message      TEXT    NOT NULL, -- "" when none
	status       TEXT    NOT NULL,
	requested_at INTEGER NOT NULL,
	decided_by   TEXT    NOT NULL, -- "" while pending
	decided_at   INTEGER NOT NULL  -- 0 while pending
);
CREATE TABLE local_mappings (
	local_id TEXT    PRIMARY KEY,
	owner_id TEXT    NOT NULL,
	item_row INTEGER NOT NULL REFERENCES items (row)
) WITHOUT ROWID;
CREATE TABLE local_merges (
	row        INTEGER PRIMARY KEY, -- order of merging
	merged_row INTEGER NOT NULL UNIQUE REFERENCES items (row),
	master_id  TEXT    NOT NULL, -- local id of the master
	strategy   TEXT    NOT NULL,
	changes    TEXT    NOT NULL, -- JSON object
	merged_by  TEXT    NOT NULL,
	merged_at  INTEGER NOT NULL
);
CREATE TABLE notifications (
	row        INTEGER PRIMARY KEY,
	id         TEXT    NOT NULL UNIQUE,
	user_id    TEXT    NOT NULL,
	type       TEXT    NOT NULL,
	title      TEXT    NOT NULL,
	message    TEXT    NOT NULL,
	data       TEXT    NOT NULL, -- JSON object
	created_at INTEGER NOT NULL,
	read_at    INTEGER NOT NULL  -- 0: not yet
);
CREATE TABLE password_resets (
	row        INTEGER PRIMARY KEY,
	id         TEXT    NOT NULL UNIQUE,
	user_id    TEXT    NOT NULL REFERENCES users (id),
	hash       TEXT    NOT NULL UNIQUE,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL, -- 0: not yet
	address    TEXT    NOT NULL, -- "" when unknown
	agent      TEXT    NOT NULL
);
CREATE TABLE pending_items (
	row          INTEGER PRIMARY KEY,
	id           TEXT    NOT NULL UNIQUE,
	owner_id     TEXT    NOT NULL,
	workspace_id TEXT    NOT NULL,
	identifiers  TEXT    NOT NULL, -- JSON array
	data         TEXT    NOT NULL, -- JSON object, "" when none was given
	source_entry TEXT    NOT NULL,
	reason       TEXT    NOT NULL, -- JSON object
	priority     INTEGER NOT NULL,
	retries      INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL
);
CREATE TABLE schema_migrations (
	name       TEXT    PRIMARY KEY,
	checksum   TEXT    NOT NULL,
	applied_at INTEGER NOT NULL
);
CREATE TABLE storage_records (
	row          INTEGER PRIMARY KEY,
	item_row     INTEGER NOT NULL REFERENCES items (row),
	adapter_type TEXT    NOT NULL,
	location     TEXT    NOT NULL, -- JSON object
	cid          TEXT    NOT NULL, -- "" when the place has none
	stored_at    INTEGER NOT NULL,
	triggered_by TEXT    NOT NULL,
	circuit_id   TEXT    NOT NULL,
	user_id      TEXT    NOT NULL,
	active       INTEGER NOT NULL,
	metadata     TEXT    NOT NULL -- JSON object
);
CREATE TABLE tier_uses (
	user_id TEXT    NOT NULL REFERENCES users (id),
	month   INTEGER NOT NULL, -- months since 1970
	kind    TEXT    NOT NULL,
	used    INTEGER NOT NULL,
	PRIMARY KEY (user_id, month, kind)
) WITHOUT ROWID;
CREATE TABLE user_activities (
	row           INTEGER PRIMARY KEY,
	id            TEXT    NOT NULL, -- as above
	user_id       TEXT    NOT NULL,
	workspace_id  TEXT    NOT NULL,
	at            INTEGER NOT NULL,
	type          TEXT    NOT NULL,
	category      TEXT    NOT NULL,
	resource_type TEXT    NOT NULL,
	resource_id   TEXT    NOT NULL,
	action        TEXT    NOT NULL,
	description   TEXT    NOT NULL,
	success       INTEGER NOT NULL,
	address       TEXT    NOT NULL,
	agent         TEXT    NOT NULL
);
CREATE TABLE users (
	row         INTEGER PRIMARY KEY,
	id          TEXT    NOT NULL UNIQUE,
	username    TEXT    NOT NULL,
	username_ci TEXT    NOT NULL UNIQUE, -- case-folded
	email       TEXT    NOT NULL,
	email_ci    TEXT    NOT NULL UNIQUE, -- case-folded
	password_hash TEXT  NOT NULL,
	tier        TEXT    NOT NULL,
	status      TEXT    NOT NULL,
	credits     INTEGER NOT NULL CHECK (credits >= 0),
	is_admin    INTEGER NOT NULL,
	workspace_id TEXT   NOT NULL,
	adapters    TEXT    NOT NULL, -- JSON array; "[]" for the tier's own
	generation  INTEGER NOT NULL,
	valid_from  INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL,
	last_login  INTEGER NOT NULL  -- 0: never
);
CREATE INDEX api_key_uses_hour ON api_key_uses (hour);
CREATE INDEX api_keys_owner ON api_keys (owner_id, row);
CREATE INDEX canonical_identifiers_item ON canonical_identifiers (item_row);
CREATE INDEX circuit_activities_circuit ON circuit_activities (circuit_row, row);
CREATE INDEX circuit_fingerprints_item ON circuit_fingerprints (item_row);
CREATE INDEX circuit_items_item ON circuit_items (item_row);
CREATE INDEX circuit_items_part ON circuit_items (item_row) WHERE whole = 0;
CREATE INDEX circuit_items_pushed ON circuit_items (circuit_row, pushed_at, item_row);
CREATE INDEX circuit_members_user ON circuit_members (user_id, circuit_row);
CREATE INDEX circuit_operations_circuit ON circuit_operations (circuit_row, row);
CREATE INDEX circuit_operations_pending ON circuit_operations (circuit_row, row) WHERE status = 'Pending';
CREATE INDEX circuit_operations_requester ON circuit_operations (circuit_row, requester_id, row);
CREATE INDEX circuit_published_item ON circuit_published (item_row);
CREATE INDEX circuits_owner ON circuits (owner_id, row);
CREATE INDEX circuits_public ON circuits (row) WHERE is_public = 1;
CREATE INDEX credit_transactions_operation ON credit_transactions (operation_id) WHERE operation_id <> '';
CREATE UNIQUE INDEX credit_transactions_refund ON credit_transactions (operation_id) WHERE type = 'Refund';
CREATE INDEX credit_transactions_user ON credit_transactions (user_id, row);
CREATE INDEX events_item ON events (dfid, at, row);
CREATE INDEX item_shares_item ON item_shares (item_row, row);
CREATE INDEX item_shares_order ON item_shares (recipient_id, row);
CREATE INDEX item_shares_recipient ON item_shares (recipient_id, item_row);
CREATE INDEX items_owner ON items (owner_id, row);
CREATE INDEX items_status ON items (status, row) WHERE status <> 'Active';
CREATE INDEX join_requests_circuit ON join_requests (circuit_row, row);
CREATE UNIQUE INDEX join_requests_pending ON join_requests (circuit_row, requester_id) WHERE status = 'Pending';
CREATE INDEX local_mappings_item ON local_mappings (item_row);
CREATE INDEX local_merges_master ON local_merges (master_id, row);
CREATE INDEX notifications_user ON notifications (user_id, row);
CREATE INDEX password_resets_expires ON password_resets (expires_at);
CREATE INDEX password_resets_user ON password_resets (user_id, row);
CREATE INDEX pending_items_owner ON pending_items (owner_id, priority DESC, row);
CREATE INDEX pending_items_priority ON pending_items (priority DESC, row);
CREATE INDEX storage_records_cid ON storage_records (cid) WHERE cid <> '';
CREATE INDEX storage_records_item ON storage_records (item_row, row);
CREATE INDEX user_activities_user ON user_activities (user_id, row);
CREATE INDEX users_workspace ON users (workspace_id);
