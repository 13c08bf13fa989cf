package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
	"github.com/defarm-repo/defarm/app/password"
)

// stale is a store whose lookups show a circuit as it was a moment ago.
type stale struct {
	app.Store
	known *app.Circuit
}

func (s stale) Circuit(context.Context, uuid.UUID) (*app.Circuit, error) { return s.known, nil }

// What was decided before a password was hashed or compared is decided again by
// the write.
func TestCircuitChangesWhileAPasswordIsLookedAt(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	pool := password.NewPool(password.Options{Cost: 4})
	defer pool.Close()
	hash := func(pw string) string {
		t.Helper()
		h, err := pool.Hash(t.Context(), pw)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	protected := func(pw string) *app.PublicSettings {
		return &app.PublicSettings{AccessMode: app.AccessProtected, PasswordHash: hash(pw), AutoApprove: true}
	}
	path := c.circuit(t, func(c *app.Circuit) { public(c); c.Public = protected("new") })
	id := uuid.MustParse(path[len(path)-36:])
	before := func(edit func(*app.Circuit)) *circuits.Service {
		t.Helper()
		now, err := c.srv.Store().Circuit(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		was := *now
		edit(&was)
		return circuits.New(stale{c.srv.Store(), &was}, app.SystemEnv(), circuits.Config{Passwords: pool})
	}
	stranger := circuits.Visitor{Actor: app.Actor{UserID: c.stranger.UserID}, Password: "old"}
	wantReason := func(err error, want app.Reason) {
		t.Helper()
		if got := app.ReasonOf(err); got != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	// The password was changed, or the circuit was not protected before.
	_, err := before(func(c *app.Circuit) { c.Public = protected("old") }).JoinPublic(t.Context(), stranger, id, "")
	wantReason(err, app.ReasonAccessPassword)
	_, err = before(func(c *app.Circuit) { c.Public = nil }).JoinPublic(t.Context(), stranger, id, "")
	wantReason(err, app.ReasonAccessPassword)
	// He became a member.
	_, err = before(func(c *app.Circuit) { c.Public, c.OwnerID, c.Members = nil, "somebody", nil }).
		JoinPublic(t.Context(), circuits.Visitor{Actor: app.Actor{UserID: c.member.UserID}}, id, "")
	wantReason(err, app.ReasonMember)
	// The right was taken away; the password that was to be kept is gone.
	_, err = before(func(c *app.Circuit) { c.OwnerID = stranger.UserID }).SetPublic(t.Context(), stranger.Actor, id, circuits.PublicInput{})
	wantReason(err, app.ReasonCircuitPermission)
	c.owner.Put(t, path+"/public-settings", `{}`).WantStatus(http.StatusOK)
	mode := "protected"
	_, err = before(func(c *app.Circuit) { c.Public = protected("old") }).
		SetPublic(t.Context(), app.Actor{UserID: c.owner.UserID}, id, circuits.PublicInput{AccessMode: &mode})
	wantReason(err, app.ReasonPublicSettings)
	wantTexts(t, c.owner, path+"/requests/pending", "requester_id")
}

// A password that could not be looked at is no wrong one, and what the store
// refuses comes through as it is.
func TestCircuitsWhileBusy(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	path, _ := c.published(t, `{"access_mode":"protected","access_password":"x"}`)
	id := uuid.MustParse(path[len(path)-36:])
	closed := password.NewPool(password.Options{Cost: 4})
	closed.Close()
	env := app.SystemEnv()
	env.Now = func() time.Time { return chainStart }
	svc := circuits.New(c.srv.Store(), env, circuits.Config{Passwords: closed})
	visitor := circuits.Visitor{Actor: app.Actor{UserID: c.stranger.UserID}, From: netip.MustParseAddr("192.0.2.7"), Password: "x"}
	mode, pw := "protected", "y"
	for range 100 {
		_, page := svc.Face(t.Context(), visitor, id)
		_, join := svc.JoinPublic(t.Context(), visitor, id, "")
		_, set := svc.SetPublic(t.Context(), app.Actor{UserID: c.owner.UserID}, id, circuits.PublicInput{AccessMode: &mode, AccessPassword: &pw})
		for what, err := range map[string]error{"page": page, "join": join, "settings": set} {
			if app.CodeOf(err) != app.CodeBusy {
				t.Fatalf("%s: got %v, want busy", what, err)
			}
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	open, _ := c.published(t, `{}`)
	openID := uuid.MustParse(open[len(open)-36:])
	_, face := svc.Face(gone, circuits.Visitor{}, openID)
	_, ask := svc.RequestToJoin(gone, visitor.Actor, openID, "")
	_, join := svc.JoinPublic(gone, circuits.Visitor{Actor: visitor.Actor}, openID, "")
	_, approve := svc.ApproveJoin(gone, app.Actor{UserID: c.owner.UserID}, openID, circuits.Approval{RequesterID: "x", Role: "Member"})
	for what, err := range map[string]error{"page": face, "request": ask, "join": join, "approval": approve} {
		if app.CodeOf(err) != app.CodeInternal {
			t.Errorf("%s: got %v, want the context's error", what, err)
		}
	}
}

// A new circuit has no password to keep.
func TestCreateWithAMask(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	createCircuit(t, c.owner, `,"public_settings":{"access_mode":"protected","access_password":"********"}`).
		WantStatus(422).WantGolden("circuit/refused_password_missing")
	createCircuit(t, c.owner, `,"public_settings":{"access_mode":"protected","access_password":"a\u0000b"}`).
		WantStatus(422).WantGolden("circuit/refused_password_text")
	createCircuit(t, c.owner, fmt.Sprintf(`,"public_settings":{"published_items":[%q]}`, "x")).
		WantStatus(422).WantGolden("circuit/refused_published_items")
	if got := createCircuit(t, c.owner, `,"public_settings":{"access_password":"********"}`).WantStatus(200).Field("public_settings.access_password"); got != "" && got != "null" {
		t.Errorf("a mask was stored: %q", got)
	}
}
