package db

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// activities holds the rows of circuit and user histories.
type activities struct{ s *session }

var _ app.ActivityRows = activities{}

const (
	circuitActivityInsertSQL = `INSERT INTO circuit_activities
		(id, circuit_row, circuit_name, type, dfids, user_id, at, status, items_count)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	userActivityInsertSQL = `INSERT INTO user_activities
		(id, user_id, workspace_id, at, type, category, resource_type, resource_id, action, description, success, address, agent)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// InsertCircuit implements app.ActivityRows.
func (t activities) InsertCircuit(a app.CircuitActivity) error {
	dfids, err := toJSON(a.ItemDFIDs)
	if err != nil {
		return err
	}
	_, err = t.s.exec(circuitActivityInsertSQL, a.ID.String(), a.CircuitRow, a.CircuitName, a.Type, dfids,
		a.UserID, toUnix(a.At), a.Status, a.ItemsCount)
	return err
}

const circuitActivities = `SELECT id, circuit_row, circuit_name, type, dfids, user_id, at, status, items_count
	FROM circuit_activities WHERE circuit_row = ? ORDER BY row DESC LIMIT ? OFFSET ?`

func scanCircuitActivity(sc scanner) (a app.CircuitActivity, err error) {
	var (
		id, dfids string
		at        int64
	)
	err = sc.Scan(&id, &a.CircuitRow, &a.CircuitName, &a.Type, &dfids, &a.UserID, &at, &a.Status, &a.ItemsCount)
	if err != nil {
		return a, err
	}
	a.At = fromUnix(at)
	if a.ID, err = uuid.Parse(id); err != nil {
		return a, fmt.Errorf("activity %s: id: %w", id, err)
	}
	if err := fromJSON(dfids, &a.ItemDFIDs); err != nil {
		return a, fmt.Errorf("activity %s: items: %w", id, err)
	}
	return a, nil
}

// OfCircuit implements app.ActivityReads.
func (t activities) OfCircuit(circuitRow int64, p app.Page) ([]app.CircuitActivity, error) {
	return collect(t.s, scanCircuitActivity, circuitActivities, circuitRow, p.Limit, p.Offset)
}

// InsertUser implements app.ActivityRows.
func (t activities) InsertUser(a app.UserActivity) error {
	_, err := t.s.exec(userActivityInsertSQL, a.ID.String(), a.UserID, a.WorkspaceID, toUnix(a.At), a.Type, a.Category,
		a.ResourceType, a.ResourceID, a.Action, a.Description, b2i(a.Success), a.Address, a.Agent)
	return err
}
