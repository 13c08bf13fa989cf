package db

import (
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

const (
	countColumns = `SELECT count(*), total(status = 'Active'), total(status = 'Deprecated'),
	total(status IN ('Merged', 'MergedInto')), total(status = 'Split'), total(confidence) FROM items`
	countEvery  = countColumns
	countOwn    = countColumns + ` WHERE owner_id = ?1`
	countOthers = countColumns + ` WHERE owner_id <> ?1 AND row IN (
	SELECT ci.item_row FROM circuit_members m CROSS JOIN circuit_items ci
		WHERE ci.circuit_row = m.circuit_row AND m.user_id = ?1
	UNION SELECT item_row FROM item_shares WHERE recipient_id = ?1)`
)

// Counts implements app.ItemReads.
func (t items) Counts(userID string, everything bool) (app.ItemCounts, error) {
	if everything {
		return t.count(countEvery)
	}
	own, err := t.count(countOwn, userID)
	if err != nil {
		return own, err
	}
	others, err := t.count(countOthers, userID)
	return app.ItemCounts{
		Total: own.Total + others.Total, Active: own.Active + others.Active,
		Deprecated: own.Deprecated + others.Deprecated, Merged: own.Merged + others.Merged,
		Split: own.Split + others.Split, Confidence: own.Confidence + others.Confidence,
	}, err
}

func (t items) count(text string, args ...any) (c app.ItemCounts, err error) {
	var active, deprecated, merged, split float64 // total gives 0.0 where sum gives NULL
	err = t.s.row(text, args...).Scan(&c.Total, &active, &deprecated, &merged, &split, &c.Confidence)
	if err != nil {
		return c, fmt.Errorf("count items: %w", err)
	}
	c.Active, c.Deprecated, c.Merged, c.Split = int64(active), int64(deprecated), int64(merged), int64(split)
	return c, nil
}
