-- Circuits complete: join requests, and what operations that wait need.

-- A request to join a circuit. Only one of a user's may be pending.
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
CREATE UNIQUE INDEX join_requests_pending ON join_requests (circuit_row, requester_id) WHERE status = 'Pending';
CREATE INDEX join_requests_circuit ON join_requests (circuit_row, row);

-- What approval of an operation needs to know (see app.OperationPlan), and who
-- decided.
ALTER TABLE circuit_operations ADD COLUMN plan TEXT NOT NULL DEFAULT ''; -- JSON object, "" when none
ALTER TABLE circuit_operations ADD COLUMN decided_by TEXT NOT NULL DEFAULT '';
ALTER TABLE circuit_operations ADD COLUMN decided_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX circuit_operations_pending ON circuit_operations (circuit_row, row) WHERE status = 'Pending';
-- Members who do not decide see their own operations among everybody's.
CREATE INDEX circuit_operations_requester ON circuit_operations (circuit_row, requester_id, row);
