package circuits

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// maxJoinMessage bounds the message of a join request, in bytes.
const maxJoinMessage = 4096

// checkMessage refuses a message that a manager should not have to read.
func checkMessage(message string) error {
	switch {
	case len(message) > maxJoinMessage:
		return app.Invalid(app.ReasonJoinRequest, "Validation error: message is longer than %d bytes", maxJoinMessage)
	case strings.ContainsRune(message, 0):
		return app.Invalid(app.ReasonForbiddenText, "Validation error: message must not contain U+0000")
	default:
		return nil
	}
}

// RequestToJoin asks the managers of a circuit to let the caller in; they are
// notified. Any circuit may be asked, also a private one: whoever knows its id
// was given it. The answer shows the caller's own request and nothing of what
// is inside (contract 03 S10). A rejected user may ask again.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitInactive, ReasonMember (he is
// one), ReasonJoinRequest (one of his waits, or its message is too long).
func (s *Service) RequestToJoin(ctx context.Context, who app.Actor, id uuid.UUID, message string) (View, error) {
	if err := checkMessage(message); err != nil {
		return View{}, err
	}
	err := s.store.Write(ctx, func(tx app.Tx) error {
		c, err := s.enter(tx, who, id)
		if err != nil {
			return err
		}
		if err := c.circuit.RequireActive(); err != nil {
			return err
		}
		if err := c.requireOutsider(); err != nil {
			return err
		}
		if err := c.request(message); err != nil {
			return err
		}
		return tx.Circuits().Touch(c.circuit, c.now)
	})
	if err != nil {
		return View{}, err
	}
	c, err := s.store.Circuit(ctx, id)
	if err != nil {
		return View{}, err
	}
	return s.view(c, who).asked(who), nil
}

// asked is what somebody who asked to join a circuit sees of it: neither its
// settings nor the requests of others.
func (v View) asked(who app.Actor) View {
	if v.Member {
		return v
	}
	c := *v.Circuit
	c.Public = nil
	v.Circuit = &c
	for _, j := range c.Requests {
		if j.RequesterID == who.UserID {
			v.Own = append(v.Own, j)
		}
	}
	return v
}

// requireOutsider refuses a caller who is in the circuit already.
func (c *changing) requireOutsider() error {
	if c.gate.IsIn || c.circuit.OwnerID == c.who.UserID {
		return app.Invalid(app.ReasonMember, "Validation error: User is already a member of this circuit")
	}
	return nil
}

// request stores the caller's request and tells the managers.
func (c *changing) request(message string) error {
	_, err := c.tx.JoinRequests().Pending(c.circuit.Row, c.who.UserID)
	switch {
	case err == nil:
		return app.Invalid(app.ReasonJoinRequest, "Validation error: User already has a pending request for this circuit")
	case app.ReasonOf(err) != app.ReasonJoinRequest:
		return err
	}
	err = c.tx.JoinRequests().Insert(app.JoinRequest{
		CircuitRow: c.circuit.Row, RequesterID: c.who.UserID, Message: message, Status: app.JoinPending, RequestedAt: c.now,
	})
	if err != nil {
		return err
	}
	managers, err := c.managers()
	if err != nil {
		return err
	}
	data := map[string]any{"requester_id": c.who.UserID, "message": nil}
	if message != "" {
		data["message"] = message
	}
	for _, userID := range managers {
		err := c.notify(userID, app.NotifyJoinRequestReceived, "New join request for "+c.circuit.Name,
			"User "+c.who.UserID+" requested to join your circuit", data)
		if err != nil {
			return err
		}
	}
	return c.note("Create", "request_join", "Asked to join circuit: "+c.circuit.Name)
}

// JoinRequests lists the requests that wait, oldest first, to those who may
// decide about them and to administrators.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission.
func (s *Service) JoinRequests(ctx context.Context, who app.Actor, id uuid.UUID, p app.Page) ([]app.JoinRequest, error) {
	v, err := s.readable(ctx, who, id, app.WorkSeeRequests)
	if err != nil {
		return nil, err
	}
	from := min(p.Offset, len(v.Requests))
	return v.Requests[from : from+min(p.Limit, len(v.Requests)-from)], nil
}

// readable returns a circuit to those who may do the work in it and to
// administrators, who read everything.
func (s *Service) readable(ctx context.Context, who app.Actor, id uuid.UUID, w app.CircuitWork) (View, error) {
	v, err := s.Get(ctx, who, id)
	if err != nil || who.IsAdmin {
		return v, err
	}
	return v, gateOf(v.Circuit, who).Allow(who.UserID, w)
}

// gateOf is the gate of a circuit that is loaded with its members. A write asks
// for its own: this one may be older.
func gateOf(c *app.Circuit, who app.Actor) app.CircuitGate {
	m, in := c.Member(who.UserID)
	return app.CircuitGate{Circuit: c, Member: m, IsIn: in}
}

// Approval is a manager's decision to let somebody in.
type Approval struct {
	RequesterID string
	Role        string // built-in role in any case
}

// ApproveJoin makes the requester a member and tells him. When he became one
// meanwhile, his request is closed and nothing else happens.
//
// Errors: ReasonInvalidRole, ReasonCircuitNotFound, ReasonCircuitPermission
// (also for a role with rights that the caller lacks), ReasonCircuitInactive,
// ReasonJoinRequest (none waits: it was decided before).
func (s *Service) ApproveJoin(ctx context.Context, who app.Actor, id uuid.UUID, in Approval) (View, error) {
	role, err := app.ParseMemberRole(in.Role)
	if err != nil {
		return View{}, err
	}
	return s.change(ctx, who, id, app.WorkApproveJoin, func(c *changing) error {
		rights := app.RolePermissions(role)
		if err := c.gate.AllowGrant(who.UserID, role, rights); err != nil {
			return err
		}
		if err := c.decide(in.RequesterID, app.JoinApproved); err != nil {
			return err
		}
		added, err := c.letIn(app.CircuitMember{UserID: in.RequesterID, Role: role, Permissions: rights, JoinedAt: c.now})
		if err != nil {
			return err
		}
		if added {
			err := c.notify(in.RequesterID, app.NotifyJoinRequestApproved, "Join request approved for "+c.circuit.Name,
				"Your request to join "+c.circuit.Name+" has been approved. You are now a "+in.Role+".",
				map[string]any{"approved_by": who.UserID, "assigned_role": in.Role})
			if err != nil {
				return err
			}
		}
		return c.note("Approve", "approve_join_request", "Approved the join request of "+in.RequesterID+" for circuit: "+c.circuit.Name)
	})
}

// RejectJoin closes a request and tells the requester. Errors are those of
// ApproveJoin.
func (s *Service) RejectJoin(ctx context.Context, who app.Actor, id uuid.UUID, requesterID string) (View, error) {
	return s.change(ctx, who, id, app.WorkRejectJoin, func(c *changing) error {
		if err := c.decide(requesterID, app.JoinRejected); err != nil {
			return err
		}
		err := c.notify(requesterID, app.NotifyJoinRequestRejected, "Join request rejected for "+c.circuit.Name,
			"Your request to join "+c.circuit.Name+" has been rejected.", map[string]any{"rejected_by": who.UserID})
		if err != nil {
			return err
		}
		return c.note("Reject", "reject_join_request", "Rejected the join request of "+requesterID+" for circuit: "+c.circuit.Name)
	})
}

// decide closes the request that waits.
func (c *changing) decide(requesterID string, status app.JoinStatus) error {
	if err := c.circuit.RequireActive(); err != nil {
		return err
	}
	j, err := c.tx.JoinRequests().Pending(c.circuit.Row, requesterID)
	if err != nil {
		return err
	}
	j.Status, j.DecidedBy, j.DecidedAt = status, c.who.UserID, c.now
	return c.tx.JoinRequests().Decide(j)
}

// letIn adds a member unless he is one; it reports whether it did. ReasonMember
// when there are too many.
func (c *changing) letIn(m app.CircuitMember) (bool, error) {
	_, err := c.tx.Members().ByID(c.circuit.Row, m.UserID)
	if err == nil || app.ReasonOf(err) != app.ReasonMember {
		return false, err
	}
	if err := c.room(); err != nil {
		return false, err
	}
	return true, c.tx.Members().Insert(c.circuit.Row, m)
}

// settleRequest notes a request of a new member, if one waits, as approved.
func (c *changing) settleRequest(userID, by string) error {
	j, err := c.tx.JoinRequests().Pending(c.circuit.Row, userID)
	if app.ReasonOf(err) == app.ReasonJoinRequest {
		return nil
	}
	if err != nil {
		return err
	}
	j.Status, j.DecidedBy, j.DecidedAt = app.JoinApproved, by, c.now
	return c.tx.JoinRequests().Decide(j)
}
