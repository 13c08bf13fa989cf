package db

import (
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

// joinRequests is the store of join requests.
type joinRequests struct{ s *session }

var _ app.JoinRequestRows = joinRequests{}

const joinColumns = `row, circuit_row, requester_id, message, status, requested_at, decided_by, decided_at`

func scanJoin(sc scanner) (j app.JoinRequest, err error) {
	var requested, decided int64
	err = sc.Scan(&j.Row, &j.CircuitRow, &j.RequesterID, &j.Message, &j.Status, &requested, &j.DecidedBy, &decided)
	j.RequestedAt, j.DecidedAt = fromUnix(requested), fromUnix(decided)
	return j, err
}

// joinPendingOf lists what waits; the second condition is the one of the
// partial index.
const (
	joinPendingOf = `SELECT ` + joinColumns + ` FROM join_requests WHERE circuit_row = ? AND status = 'Pending' ORDER BY row`
	joinPendingBy = `SELECT ` + joinColumns + ` FROM join_requests
	WHERE circuit_row = ? AND requester_id = ? AND status = 'Pending'`
)

// Pending implements app.JoinRequestRows.
func (t joinRequests) Pending(circuitRow int64, userID string) (app.JoinRequest, error) {
	j, err := scanJoin(t.s.row(joinPendingBy, circuitRow, userID))
	return one(j, err, func() error {
		return app.NotFound(app.ReasonJoinRequest, "Validation error: No pending request found for this user")
	})
}

const joinInsert = `INSERT INTO join_requests (circuit_row, requester_id, message, status, requested_at, decided_by, decided_at)
	VALUES (?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.JoinRequestRows.
func (t joinRequests) Insert(j app.JoinRequest) error {
	_, err := t.s.insert(joinInsert, j.CircuitRow, j.RequesterID, j.Message, string(j.Status), toUnix(j.RequestedAt),
		j.DecidedBy, toUnix(j.DecidedAt))
	if err != nil {
		return fmt.Errorf("insert join request: %w", err)
	}
	return nil
}

const joinDecide = `UPDATE join_requests SET status = ?, decided_by = ?, decided_at = ? WHERE row = ?`

// Decide implements app.JoinRequestRows.
func (t joinRequests) Decide(j app.JoinRequest) error {
	if _, err := t.s.exec(joinDecide, string(j.Status), j.DecidedBy, toUnix(j.DecidedAt), j.Row); err != nil {
		return fmt.Errorf("decide join request: %w", err)
	}
	return nil
}
