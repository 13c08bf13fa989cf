-- Password reset, use of API keys, credits and tier limits.

-- The token itself is mailed and never stored; hash is BLAKE3 over its bytes.
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
CREATE INDEX password_resets_user ON password_resets (user_id, row);
CREATE INDEX password_resets_expires ON password_resets (expires_at);

-- What API keys were used for: requests of one key in one hour that agree in
-- all the columns of the key are one row.
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
CREATE INDEX api_key_uses_hour ON api_key_uses (hour);

-- What an account has used of its tier's monthly allowances.
CREATE TABLE tier_uses (
	user_id TEXT    NOT NULL REFERENCES users (id),
	month   INTEGER NOT NULL, -- months since 1970
	kind    TEXT    NOT NULL,
	used    INTEGER NOT NULL,
	PRIMARY KEY (user_id, month, kind)
) WITHOUT ROWID;

-- Finds what was charged for an operation; nothing is given back twice.
CREATE INDEX credit_transactions_operation ON credit_transactions (operation_id) WHERE operation_id <> '';
CREATE UNIQUE INDEX credit_transactions_refund ON credit_transactions (operation_id) WHERE type = 'Refund';
