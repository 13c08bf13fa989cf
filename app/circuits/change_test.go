package circuits_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

var owner = app.Actor{UserID: "owner", WorkspaceID: "ws", Address: "192.0.2.1", Agent: "test"}

// seed makes the accounts and a circuit with a member, a member with a custom
// role, and a request that waits.
func seed(t *testing.T, h *hooked, status app.CircuitStatus) uuid.UUID {
	t.Helper()
	c := &app.Circuit{
		ID: uuid.New(), Name: "Herd", OwnerID: "owner", DefaultNamespace: app.DefaultNamespace, Status: status, CreatedAt: now, ModifiedAt: now,
		Members: []app.CircuitMember{
			{UserID: "owner", Role: app.RoleOwner, Permissions: app.RolePermissions(app.RoleOwner), JoinedAt: now},
			{UserID: "member", Role: app.RoleMember, Permissions: app.RolePermissions(app.RoleMember), JoinedAt: now},
			{UserID: "vet", Role: app.RoleMember, CustomRole: "Vet", Permissions: []app.Permission{app.PermPull}, JoinedAt: now},
		},
		Roles: []app.CustomRole{
			{ID: uuid.New(), Name: "Vet", Permissions: []app.Permission{app.PermPull}, CreatedAt: now, CreatedBy: "owner"},
			{ID: uuid.New(), Name: "Free", Permissions: []app.Permission{app.PermPull}, CreatedAt: now, CreatedBy: "owner"},
		},
	}
	err := h.Store.Write(context.Background(), func(tx app.Tx) error {
		for _, id := range []string{"owner", "member", "vet", "other"} {
			if _, err := tx.Users().ByID(id); err == nil {
				continue
			}
			u := &app.User{ID: id, Username: id, Email: id + "@example.org", Tier: app.TierBasic, Status: app.StatusActive, CreatedAt: now, UpdatedAt: now}
			if err := tx.Users().Insert(u); err != nil {
				return err
			}
		}
		if err := tx.Circuits().Insert(c); err != nil {
			return err
		}
		return tx.JoinRequests().Insert(app.JoinRequest{CircuitRow: c.Row, RequesterID: "other", Status: app.JoinPending, RequestedAt: now})
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// Every change leaves a line in its author's history and tells whom it concerns;
// whatever fails on the way, all of it is undone and the failure comes out as it
// is, not as a refusal.
func TestChanges(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	member := app.Actor{UserID: "member"}
	ctx := context.Background()
	type call func(s *circuits.Service, id uuid.UUID) error
	drop := func(_ any, err error) error { return err }
	for _, tt := range []struct {
		name   string
		status app.CircuitStatus
		do     call
		note   string // type, action, description
		told   string // user, type, title, message, what is special in the data
	}{
		{"update", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error {
			return drop(s.Update(ctx, owner, id, circuits.Update{Description: text("new"), AllowPublic: new(bool)}))
		}, "Update update_circuit: Updated circuit Herd: description, allow_public_visibility", ""},
		{"deactivate", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error { return drop(s.Deactivate(ctx, owner, id)) },
			"Update deactivate_circuit: Deactivated circuit: Herd", ""},
		{"reactivate", app.CircuitInactive, func(s *circuits.Service, id uuid.UUID) error { return drop(s.Reactivate(ctx, owner, id)) },
			"Update reactivate_circuit: Reactivated circuit: Herd", ""},
		{"toggle", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error { return drop(s.ToggleVisibility(ctx, owner, id)) },
			"Update toggle_visibility: Made circuit Herd public", ""},
		{"alias", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error { return s.SetAlias(ctx, owner, id, app.AliasConfig{}) },
			"Update update_alias_config: Updated alias configuration of circuit: Herd", ""},
		{"transfer", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error { return drop(s.Transfer(ctx, owner, id, "member")) },
			"Update transfer_circuit: Made member the owner of circuit Herd",
			`member RoleChanged: Your role in Herd has changed: You are now Owner in Herd. changed_by="owner" role="Owner"`},
		{"add", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error {
			return drop(s.AddMember(ctx, owner, id, "other", app.RoleViewer))
		}, "Update add_member: Added other to circuit Herd as Viewer",
			`other MemberAdded: Added to Herd: You have been added to Herd as a Viewer. added_by="owner" role="Viewer"`},
		{"assign", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error {
			return drop(s.AssignRole(ctx, owner, id, "member", "Vet"))
		}, "Update assign_role: Made member Vet in circuit Herd",
			`member RoleChanged: Your role in Herd has changed: You are now Vet in Herd. changed_by="owner" role="Vet"`},
		{"assign built-in", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error {
			return drop(s.AssignRole(ctx, owner, id, "vet", "admin"))
		}, "Update assign_role: Made vet Admin in circuit Herd",
			`vet RoleChanged: Your role in Herd has changed: You are now Admin in Herd. changed_by="owner" role="Admin"`},
		{"remove", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error { return drop(s.RemoveMember(ctx, owner, id, "member")) },
			"Update remove_member: Removed member from circuit Herd",
			`member MemberRemoved: Removed from Herd: You are no longer a member of Herd. removed_by="owner"`},
		{"leave", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error { return drop(s.Leave(ctx, member, id)) },
			"Update leave_circuit: Left circuit: Herd", ""},
		{"create role", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error {
			return drop(s.CreateRole(ctx, owner, id, circuits.NewRole{Name: "Guest"}))
		}, "Create create_role: Created role Guest in circuit Herd", ""},
		{"update role", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error {
			return drop(s.UpdateRole(ctx, owner, id, "Vet", circuits.RoleUpdate{Permissions: []app.Permission{app.PermPush}}))
		}, "Update update_role: Updated role Vet in circuit Herd", ""},
		{"delete role", app.CircuitActive, func(s *circuits.Service, id uuid.UUID) error { return s.DeleteRole(ctx, owner, id, "Free") },
			"Delete delete_role: Removed role Free from circuit Herd", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, h := start(t)
			id := seed(t, h, tt.status)
			before := stored(t, h, id)
			h.failAt = 1
			for ; ; h.failAt++ {
				err := tt.do(s, id)
				if err == nil {
					break
				}
				var refusal *app.Error
				if !errors.Is(err, errDisk) || errors.As(err, &refusal) {
					t.Fatalf("step %d: got %v, want the failure itself", h.failAt, err)
				}
				if diff := cmp.Diff(before, stored(t, h, id)); diff != "" {
					t.Fatalf("step %d left something behind (-want +got):\n%s", h.failAt, diff)
				}
			}
			if h.failAt <= h.steps || h.failAt < 4 {
				t.Errorf("succeeded with step %d of %d failing", h.failAt, h.steps)
			}
			checkNotes(t, h, id, tt.note, tt.told)
			if cmp.Equal(before, stored(t, h, id)) {
				t.Error("nothing was changed")
			}
		})
	}
}

// stored is the circuit as it is stored.
func stored(t *testing.T, h *hooked, id uuid.UUID) (c *app.Circuit) {
	t.Helper()
	err := h.Read(context.Background(), func(r app.Reader) (err error) {
		c, err = r.Circuits().ByID(id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func checkNotes(t *testing.T, h *hooked, id uuid.UUID, note, told string) {
	t.Helper()
	if len(h.notes) != 1 {
		t.Fatalf("got %d notes, want one", len(h.notes))
	}
	n := h.notes[0]
	if got := fmt.Sprintf("%s %s: %s", n.Type, n.Action, n.Description); got != note {
		t.Errorf("note: got %s, want %s", got, note)
	}
	if n.Category != "Circuits" || n.ResourceType != "Circuit" || n.ResourceID != id.String() || !n.At.Equal(now) || !n.Success {
		t.Errorf("note: got %+v", n)
	}
	if n.UserID == "owner" && (n.WorkspaceID != "ws" || n.Address != "192.0.2.1" || n.Agent != "test") {
		t.Errorf("note does not say whence: %+v", n)
	}
	var got string
	for _, n := range h.told {
		got += fmt.Sprintf("%s %s: %s: %s", n.UserID, n.Type, n.Title, n.Message)
		for _, key := range []string{"added_by", "changed_by", "removed_by", "role"} {
			if v, ok := n.Data[key]; ok {
				got += fmt.Sprintf(" %s=%s", key, v)
			}
		}
		if string(n.Data["circuit_id"]) != `"`+id.String()+`"` || string(n.Data["circuit_name"]) != `"Herd"` || string(n.Data["timestamp"]) != fmt.Sprint(now.Unix()) {
			t.Errorf("notification: got data %s", n.Data)
		}
	}
	if got != told {
		t.Errorf("told: got %s, want %s", got, told)
	}
}
