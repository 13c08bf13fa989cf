package db

import (
	"fmt"
	"reflect"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// operations is the store of circuit operations.
type operations struct{ s *session }

var _ app.OperationRows = operations{}

const operationColumns = `id, circuit_row, dfid, type, requester_id, at, status, metadata, plan, decided_by, decided_at`

func scanOperation(sc scanner) (op app.CircuitOperation, err error) {
	var (
		id, metadata, plan string
		at, decided        int64
	)
	err = sc.Scan(&id, &op.CircuitRow, &op.DFID, &op.Type, &op.RequesterID, &at, &op.Status, &metadata, &plan, &op.DecidedBy, &decided)
	if err != nil {
		return op, err
	}
	op.At, op.DecidedAt = fromUnix(at), fromUnix(decided)
	if op.ID, err = uuid.Parse(id); err != nil {
		return op, fmt.Errorf("operation %s: id: %w", id, err)
	}
	if err := fromJSON(metadata, &op.Metadata); err != nil {
		return op, fmt.Errorf("operation %s: metadata: %w", id, err)
	}
	if err := fromJSON(plan, &op.Plan); err != nil {
		return op, fmt.Errorf("operation %s: plan: %w", id, err)
	}
	return op, nil
}

const operationByID = `SELECT ` + operationColumns + ` FROM circuit_operations WHERE id = ?`

// ByID implements app.OperationReads.
func (t operations) ByID(id uuid.UUID) (app.CircuitOperation, error) {
	op, err := scanOperation(t.s.row(operationByID, id.String()))
	return one(op, err, func() error {
		return app.NotFound(app.ReasonOperationNotFound, "Circuit not found") // the contract's text
	})
}

// Pending ones have an index of their own, which the requester narrows; all of a
// requester's have another.
const (
	operationsOfCircuit = `SELECT ` + operationColumns + ` FROM circuit_operations
	WHERE circuit_row = ?1 AND (?2 = '' OR status = ?2)
	ORDER BY row DESC LIMIT ?3 OFFSET ?4`
	operationsOfRequester = `SELECT ` + operationColumns + ` FROM circuit_operations
	WHERE circuit_row = ?1 AND requester_id = ?2 AND (?3 = '' OR status = ?3)
	ORDER BY row DESC LIMIT ?4 OFFSET ?5`
	operationsPending = `SELECT ` + operationColumns + ` FROM circuit_operations
	WHERE circuit_row = ?1 AND status = 'Pending' AND (?2 = '' OR requester_id = ?2)
	ORDER BY row DESC LIMIT ?3 OFFSET ?4`
)

// List implements app.OperationReads.
func (t operations) List(f app.OperationFilter, p app.Page) ([]app.CircuitOperation, error) {
	if f.Status == app.OperationPending {
		return collect(t.s, scanOperation, operationsPending, f.CircuitRow, f.RequesterID, p.Limit, p.Offset)
	}
	if f.RequesterID != "" {
		return collect(t.s, scanOperation, operationsOfRequester, f.CircuitRow, f.RequesterID, string(f.Status), p.Limit, p.Offset)
	}
	return collect(t.s, scanOperation, operationsOfCircuit, f.CircuitRow, string(f.Status), p.Limit, p.Offset)
}

const operationInsert = `INSERT INTO circuit_operations
	(id, circuit_row, dfid, type, requester_id, at, status, metadata, plan, decided_by, decided_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.OperationRows.
func (t operations) Insert(op app.CircuitOperation) error {
	plan := ""
	if !reflect.ValueOf(op.Plan).IsZero() {
		var err error
		if plan, err = toJSON(op.Plan); err != nil {
			return err
		}
	}
	_, err := t.s.exec(operationInsert, op.ID.String(), op.CircuitRow, op.DFID, op.Type, op.RequesterID,
		toUnix(op.At), string(op.Status), objectText(op.Metadata), plan, op.DecidedBy, toUnix(op.DecidedAt))
	if err != nil {
		return fmt.Errorf("insert operation: %w", err)
	}
	return nil
}

const operationDecide = `UPDATE circuit_operations SET status = ?, metadata = ?, decided_by = ?, decided_at = ?, plan = ''
	WHERE id = ? AND status = 'Pending'`

// Decide implements app.OperationRows.
func (t operations) Decide(op app.CircuitOperation) (bool, error) {
	n, err := t.s.exec(operationDecide, string(op.Status), objectText(op.Metadata), op.DecidedBy, toUnix(op.DecidedAt), op.ID.String())
	if err != nil {
		return false, fmt.Errorf("decide operation: %w", err)
	}
	return n > 0, nil
}
