-- Items complete: shares, pending items, local merges, search, notifications.

-- An item shown to one account by its owner. One row for item and recipient.
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
CREATE INDEX item_shares_recipient ON item_shares (recipient_id, item_row); -- for lists of items
CREATE INDEX item_shares_item ON item_shares (item_row, row);
CREATE INDEX item_shares_order ON item_shares (recipient_id, row);

-- What could not become an item yet and waits for somebody to decide.
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
CREATE INDEX pending_items_owner ON pending_items (owner_id, priority DESC, row);
CREATE INDEX pending_items_priority ON pending_items (priority DESC, row);

-- A local item that was folded into another local one, and what that changed,
-- so that it can be undone. The row goes when it is undone.
CREATE TABLE local_merges (
	row        INTEGER PRIMARY KEY, -- order of merging
	merged_row INTEGER NOT NULL UNIQUE REFERENCES items (row),
	master_id  TEXT    NOT NULL, -- local id of the master
	strategy   TEXT    NOT NULL,
	changes    TEXT    NOT NULL, -- JSON object
	merged_by  TEXT    NOT NULL,
	merged_at  INTEGER NOT NULL
);
CREATE INDEX local_merges_master ON local_merges (master_id, row);

-- Items that are still local, by owner. The bounds take what begins with "LID-".
CREATE INDEX items_local ON items (owner_id, row) WHERE dfid >= 'LID-' AND dfid < 'LID.';

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
CREATE INDEX notifications_user ON notifications (user_id, row);
