package db

import (
	"slices"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

// checkPlans fails for every statement that walks a whole table or index, or
// that sorts. sorted lists the statements that may sort, because what they sort
// is small.
func checkPlans(t *testing.T, d *DB, statements map[string]string, sorted ...string) {
	t.Helper()
	for name, text := range statements {
		for _, step := range queryPlan(t, d, text) {
			switch {
			case strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW":
				t.Errorf("%s: %s", name, step)
			case strings.Contains(step, "TEMP B-TREE") && !slices.Contains(sorted, name):
				t.Errorf("%s: %s", name, step)
			}
		}
	}
}

func queryPlan(t *testing.T, d *DB, text string) (steps []string) {
	t.Helper()
	mustRead(t, d, func(r app.Reader) error {
		rows, err := r.(readStores).s.query("EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			steps = append(steps, detail)
		}
		return rows.Err()
	})
	return steps
}

func TestItemPlans(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	checkPlans(t, d, map[string]string{
		"item by dfid":    itemByDFID,
		"item by row":     itemByRow,
		"items by rows":   itemsByRows[1],
		"shared with":     itemSharedWith,
		"publishers":      itemPublishers,
		"in part":         itemsInPart[1],
		"local mapping":   localMapping,
		"local item":      localItemSQL,
		"by canonical":    itemByCanonical,
		"by fingerprint":  itemByFingerprint,
		"next dfid":       nextDFID,
		"update":          itemUpdate,
		"delete":          itemDelete,
		"delete hash":     hashDelete,
		"own rows":        ownRows,
		"circuit rows":    circuitRows,
		"every row":       everyRow,
		"hash rows":       hashRows,
		"status rows":     statusRows,
		"memberships":     memberCircuits,
		"list facts":      listFacts[1],
		"events by item":  eventsByItem,
		"events by items": eventsByItems[1],
		"leaves":          eventLeaves,
		"leaf":            eventLeaf,
		"records by item": recordsByItem,
		"records by cid":  recordsByCID,
		"active record":   activeRecord,
		"end record":      recordEnd,
		"block":           blockByCID,
	}, "records by cid", "in part")
}

// TestPlansFinds shows that the check finds what it is for.
func TestPlansFinds(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	for _, text := range []string{
		`SELECT row FROM items WHERE workspace_id = ?`,
		`SELECT owner_id FROM items ORDER BY owner_id`,
		`SELECT row FROM items WHERE owner_id = ? ORDER BY created_at`,
	} {
		steps := strings.Join(queryPlan(t, d, text), "; ")
		if !strings.Contains(steps, "SCAN items") && !strings.Contains(steps, "TEMP B-TREE") {
			t.Errorf("plan of %q is %q, want a scan or a sort in it", text, steps)
		}
	}
}
