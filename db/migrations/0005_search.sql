-- Search in items.

-- The trigrams of what can be searched for, folded; db/item_search.go is the one
-- file that knows this table. The row is the item's. It holds no text and no
-- positions: what it finds is a candidate that the reader compares.
CREATE VIRTUAL TABLE item_search USING fts5 (
	text, content = '', contentless_delete = 1, detail = none,
	tokenize = 'trigram case_sensitive 1'
);

-- The index follows in writes of its own, because it costs more than storing the
-- item does: new items by row, up to the counter; others, whose text changed since
-- they were indexed, in the order of the changes. An item may come twice.
CREATE TABLE item_search_changes (
	seq      INTEGER PRIMARY KEY,
	item_row INTEGER NOT NULL, -- no foreign key: the item may be gone
	rehash   INTEGER NOT NULL  -- its identifier index is from before normal forms
);
INSERT INTO item_search_changes (item_row, rehash) SELECT row, 1 FROM items ORDER BY row;
INSERT INTO counters (name, value) SELECT 'search', coalesce(max(row), 0) FROM items;
