package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
	"github.com/defarm-repo/defarm/app/password"
	"github.com/defarm-repo/defarm/web/servertest"
)

// cast are the kinds of people around a circuit.
type cast struct {
	number                                          *atomic.Int64 // of the last animal
	srv                                             *servertest.Server
	owner, manager, member, stranger, nobody, admin *servertest.Client
}

func newCast(t *testing.T, opts ...servertest.Option) cast {
	t.Helper()
	srv := servertest.Start(t, append([]servertest.Option{servertest.At(chainStart)}, opts...)...)
	return cast{
		number: new(atomic.Int64), srv: srv, owner: srv.User("owner"), manager: srv.User("manager"), member: srv.User("member"),
		stranger: srv.User("stranger"), nobody: srv.Anonymous(), admin: srv.Admin(),
	}
}

// circuit stores one with owner, manager (Admin) and member.
func (c cast) circuit(t *testing.T, edit func(*app.Circuit)) string {
	t.Helper()
	return "/api/circuits/" + seedCircuit(t, c.srv, edit, roles{c.owner: app.RoleOwner, c.manager: app.RoleAdmin, c.member: app.RoleMember})
}

// everyone, by name.
func (c cast) everyone() map[string]*servertest.Client {
	return map[string]*servertest.Client{
		"owner": c.owner, "manager": c.manager, "member": c.member, "stranger": c.stranger, "nobody": c.nobody, "admin": c.admin,
	}
}

func public(c *app.Circuit) { c.Permissions.AllowPublicVisibility = true }
func inactive(c *app.Circuit) {
	c.Permissions.AllowPublicVisibility, c.Status = true, app.CircuitInactive
}

// A request: what the requester sees, who sees it waiting, what an approval and
// a rejection do.
func TestJoinRequests(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	other, third := c.srv.User("other"), c.srv.User("third")
	home := c.circuit(t, func(c *app.Circuit) { c.Public = &app.PublicSettings{AccessMode: app.AccessPublic} })

	c.stranger.Post(t, home+"/requests", `{"message":"please"}`).WantStatus(200).WantGolden("circuit/join_asked")
	c.srv.Advance(time.Second)
	other.Post(t, home+"/requests", nil).WantStatus(200).WantGolden("circuit/join_asked_second")
	third.Post(t, home+"/requests", `{"message":null,"requester_id":"user-owner"}`).WantStatus(200)
	c.stranger.Post(t, home+"/requests", `{}`).WantStatus(400).WantGolden("circuit/join_asked_again")
	c.owner.Get(t, home+"/requests/pending").WantStatus(200).WantGolden("circuit/join_pending")
	c.owner.Get(t, home).WantStatus(200).WantGolden("circuit/join_waiting")
	wantTexts(t, c.manager, home+"/requests/pending?limit=1&offset=1", "requester_id", other.UserID)
	wantTexts(t, c.manager, home+"/requests/pending?limit=1&offset=9", "requester_id")

	c.manager.Post(t, home+"/requests/"+c.stranger.UserID+"/approve", `{"admin_id":"user-nobody","role":"vIEWER"}`).
		WantStatus(200).WantGolden("circuit/join_approved")
	c.stranger.Get(t, home).WantStatus(200).WantGolden("circuit/join_approved_as_member")
	c.manager.Post(t, home+"/requests/"+c.stranger.UserID+"/approve", `{}`).WantStatus(400).WantGolden("circuit/join_approve_nothing")
	c.manager.Post(t, home+"/requests/"+c.stranger.UserID+"/reject", `{}`).WantStatus(400).WantGolden("circuit/join_reject_nothing")
	c.stranger.Post(t, home+"/requests", nil).WantStatus(400).WantGolden("circuit/join_asked_as_member")
	c.owner.Post(t, home+"/requests", nil).WantStatus(400).WantGolden("circuit/join_asked_as_member")

	c.owner.Post(t, home+"/requests/"+other.UserID+"/reject", `{"admin_id":"user-nobody"}`).WantStatus(200).WantGolden("circuit/join_rejected")
	other.Get(t, home).WantStatus(404).WantGolden("circuit/not_found")
	other.Post(t, home+"/requests", `{"message":"once more"}`).WantStatus(200) // he may ask again
	// Without a body: a Member.
	res := c.owner.Post(t, home+"/requests/"+other.UserID+"/approve", nil).WantStatus(200)
	if got := roleOf(t, res, other.UserID); got != "Member" {
		t.Errorf("role without a body: got %q, want Member", got)
	}
	// The owner may make an owner.
	res = c.owner.Post(t, home+"/requests/"+third.UserID+"/approve", `{"role":"owner"}`).WantStatus(200)
	if got := roleOf(t, res, third.UserID); got != "Owner" {
		t.Errorf("role given by the owner: got %q, want Owner", got)
	}
	wantTexts(t, c.owner, home+"/requests/pending", "requester_id")
}

func roleOf(t *testing.T, res *servertest.Response, userID string) string {
	t.Helper()
	var got struct {
		Members []struct {
			ID   string `json:"member_id"`
			Role string
		}
	}
	res.JSON(&got)
	role := ""
	for _, m := range got.Members {
		if m.ID != userID {
			continue
		}
		if role != "" {
			t.Errorf("%s is a member twice", userID)
		}
		role = m.Role
	}
	return role
}

// Every refusal of the routes of join requests.
func TestJoinRequestsRefused(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	closed, open, asleep := c.circuit(t, nil), c.circuit(t, public), c.circuit(t, inactive)
	unknown := "/api/circuits/" + uuid.NewString()
	asker := c.srv.User("asker")
	for _, path := range []string{closed, open} {
		asker.Post(t, path+"/requests", nil).WantStatus(200)
	}
	const (
		ask, approve, reject = "Failed to submit join request: ", "Failed to approve join request: ", "Failed to reject join request: "
		noApprove            = "Permission denied: User does not have permission to approve join requests"
		noReject             = "Permission denied: User does not have permission to reject join requests"
		noCircuit            = "Circuit not found"
		notActive            = "Validation error: Circuit is not active"
		toApprove, toReject  = "/requests/user-asker/approve", "/requests/user-asker/reject"
	)
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		said       string
	}{
		{c.stranger, unknown + "/requests", `{}`, 400, ask + noCircuit},
		{c.stranger, "/api/circuits/7/requests", `{}`, 400, "Invalid circuit ID format"},
		{c.stranger, asleep + "/requests", `{}`, 400, ask + notActive},
		{c.stranger, open + "/requests", fmt.Sprintf(`{"message":%q}`, strings.Repeat("x", 4097)), 400, ask + "Validation error: message is longer than 4096 bytes"},
		{c.stranger, open + "/requests", `{"message":"a\u0000b"}`, 400, ask + "Validation error: message must not contain U+0000"},
		{c.nobody, open + "/requests", `{}`, 401, "Authentication required. Use JWT token or API key."},

		{c.owner, unknown + toApprove, `{}`, 400, approve + noCircuit},
		{c.owner, "/api/circuits/7" + toApprove, `{}`, 400, "Invalid circuit ID format"},
		{c.owner, unknown + toApprove, `{"role":"boss"}`, 400, "Invalid member role: boss"},
		{c.owner, open + toApprove, `{"role":""}`, 400, "Invalid member role: "},
		{c.stranger, closed + toApprove, `{}`, 400, approve + noCircuit},
		{c.stranger, open + toApprove, `{}`, 400, approve + noApprove},
		{asker, open + toApprove, `{}`, 400, approve + noApprove},
		{c.member, closed + toApprove, `{}`, 400, approve + noApprove},
		{c.admin, closed + toApprove, `{}`, 400, approve + noApprove},
		{c.manager, open + toApprove, `{"role":"Owner"}`, 400, approve + "Permission denied: Only the owner may grant the Owner role"},
		{c.owner, asleep + toApprove, `{}`, 400, approve + notActive},
		{c.owner, open + "/requests/user-nobody/approve", `{}`, 400, approve + "Validation error: No pending request found for this user"},
		{c.nobody, open + toApprove, `{"admin_id":"user-owner"}`, 401, "Authentication required. Use JWT token or API key."},

		{c.owner, unknown + toReject, `{}`, 400, reject + noCircuit},
		{c.owner, "/api/circuits/7" + toReject, `{}`, 400, "Invalid circuit ID format"},
		{c.stranger, closed + toReject, `{}`, 400, reject + noCircuit},
		{c.stranger, open + toReject, `{}`, 400, reject + noReject},
		{c.member, closed + toReject, `{}`, 400, reject + noReject},
		{c.admin, closed + toReject, `{}`, 400, reject + noReject},
		{c.owner, asleep + toReject, `{}`, 400, reject + notActive},
		{c.nobody, open + toReject, `{"admin_id":"user-owner"}`, 401, "Authentication required. Use JWT token or API key."},
	} {
		res := tt.who.Post(t, tt.path, tt.body)
		if res.Status != tt.status || res.Field("error") != tt.said {
			t.Errorf("%s, POST %s %.60s: got %d %s, want %d %s", tt.who.Username, tt.path, tt.body, res.Status, res.Body, tt.status, tt.said)
		}
	}
	const noSee = "Permission denied: User does not have permission to see join requests"
	for _, tt := range []struct {
		who    *servertest.Client
		path   string
		status int
		said   string
	}{
		{c.owner, closed, 200, ""},
		{c.manager, closed, 200, ""},
		{c.admin, closed, 200, ""},
		{c.member, closed, 403, noSee},
		{c.stranger, closed, 404, "Failed to get pending requests: Circuit not found"},
		{c.stranger, open, 403, noSee},
		{asker, open, 403, noSee},
		{c.nobody, open, 401, "Authentication required. Use JWT token or API key."},
		{c.owner, unknown, 404, "Failed to get pending requests: Circuit not found"},
		{c.owner, "/api/circuits/7", 400, "Invalid circuit ID format"},
		{c.owner, asleep, 200, ""},
	} {
		res := tt.who.Get(t, tt.path+"/requests/pending")
		if res.Status != tt.status || (tt.said != "" && res.Field("error") != tt.said) {
			t.Errorf("%s, %s: got %d %s, want %d %s", tt.who.Username, tt.path, res.Status, res.Body, tt.status, tt.said)
		}
	}
}

// A manager without a right cannot give it.
func TestJoinRoleIsNoEscalation(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	clerk := c.srv.User("clerk")
	home := "/api/circuits/" + seedCircuit(t, c.srv, func(c *app.Circuit) {
		for i := range c.Members {
			if c.Members[i].UserID == clerk.UserID {
				c.Members[i].Permissions = []app.Permission{app.PermManageMembers, app.PermPull}
			}
		}
	}, roles{c.owner: app.RoleOwner, clerk: app.RoleMember})
	c.stranger.Post(t, home+"/requests", nil).WantStatus(200)
	path := home + "/requests/" + c.stranger.UserID + "/approve"
	clerk.Post(t, path, `{"role":"Member"}`).WantStatus(400).WantGolden("circuit/join_escalation")
	clerk.Post(t, path, `{"role":"Viewer"}`).WantStatus(200)
}

// Two managers decide at the same moment, many times: exactly one wins, and
// there is one entry at most.
func TestTwoManagersDecide(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	for round := range 8 {
		home := c.circuit(t, nil)
		c.stranger.Post(t, home+"/requests", nil).WantStatus(200)
		deeds := []string{"approve", []string{"approve", "reject"}[round%2]}
		statuses := make([]int, len(deeds))
		var all sync.WaitGroup
		for i, who := range []*servertest.Client{c.owner, c.manager} {
			all.Go(func() {
				res, err := who.Try(t.Context(), http.MethodPost, home+"/requests/"+c.stranger.UserID+"/"+deeds[i], "{}")
				if err != nil {
					t.Error(err)
					return
				}
				statuses[i] = res.Status
			})
		}
		all.Wait()
		slices.Sort(statuses)
		if !slices.Equal(statuses, []int{200, 400}) {
			t.Errorf("%v: got %v, want one 200 and one 400", deeds, statuses)
		}
		roleOf(t, c.owner.Get(t, home).WantStatus(200), c.stranger.UserID)
		wantTexts(t, c.owner, home+"/requests/pending", "requester_id")
	}
}

// A request, a public join and an addition at the same moment: one membership,
// and nothing left to decide.
func TestManyWaysIn(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	for range 8 {
		home := c.circuit(t, func(c *app.Circuit) {
			public(c)
			c.Public = &app.PublicSettings{AccessMode: app.AccessPublic, AutoApprove: true}
		})
		id := uuid.MustParse(home[len(home)-36:])
		var all sync.WaitGroup
		for _, path := range []string{"/requests", "/public/join", "/public/join"} {
			all.Go(func() {
				if _, err := c.stranger.Try(t.Context(), http.MethodPost, home+path, "{}"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			err := c.srv.Store().Write(t.Context(), func(tx app.Tx) error {
				gate, err := tx.Circuits().Gate(id, c.stranger.UserID)
				if err != nil || gate.IsIn {
					return err
				}
				err = tx.Members().Insert(gate.Circuit.Row, app.CircuitMember{UserID: c.stranger.UserID, Role: app.RoleMember, JoinedAt: chainStart})
				if err != nil {
					return err
				}
				return tx.Circuits().Touch(gate.Circuit, chainStart)
			})
			if err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		// Whoever was added while he waited is a member already: his request is
		// closed, and that is all.
		for _, asked := range texts(t, c.owner, home+"/requests/pending", "requester_id") {
			c.owner.Post(t, home+"/requests/"+asked+"/approve", `{"role":"Admin"}`).WantStatus(200)
		}
		if got := roleOf(t, c.owner.Get(t, home).WantStatus(200), c.stranger.UserID); got != "Member" {
			t.Errorf("role: got %q, want Member", got)
		}
	}
}

// recorder is a store that shows what services note and notify.
type recorder struct {
	app.Store
	sent  *[]app.Notification
	deeds *[]app.UserActivity
}

type recordingTx struct {
	app.Tx
	recorder
}

type (
	recordedNotifications struct{ recordingTx }
	recordedActivities    struct {
		app.ActivityRows
		recordingTx
	}
)

func (r recorder) Write(ctx context.Context, fn func(app.Tx) error) error {
	return r.Store.Write(ctx, func(tx app.Tx) error { return fn(recordingTx{tx, r}) })
}

func (tx recordingTx) Notifications() app.NotificationRows { return recordedNotifications{tx} }
func (tx recordingTx) Activities() app.ActivityRows {
	return recordedActivities{tx.Tx.Activities(), tx}
}

func (n recordedNotifications) Insert(sent app.Notification) error {
	*n.sent = append(*n.sent, sent)
	return n.Tx.Notifications().Insert(sent)
}

func (a recordedActivities) InsertUser(deed app.UserActivity) error {
	*a.deeds = append(*a.deeds, deed)
	return a.ActivityRows.InsertUser(deed)
}

// Who is told what, and what is noted of it.
func TestJoinsAreToldAndNoted(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	var (
		sent  []app.Notification
		deeds []app.UserActivity
	)
	env := app.SystemEnv()
	env.Now = func() time.Time { return chainStart }
	pool := password.NewPool(password.Options{Cost: 4})
	defer pool.Close()
	svc := circuits.New(recorder{c.srv.Store(), &sent, &deeds}, env, circuits.Config{Passwords: pool})
	id := func(path string) uuid.UUID { return uuid.MustParse(path[len(path)-36:]) }
	home := c.circuit(t, func(c *app.Circuit) { c.Name = "Our herd"; public(c) })
	as := func(who *servertest.Client) app.Actor {
		return app.Actor{UserID: who.UserID, WorkspaceID: who.Username + "-workspace", Address: "192.0.2.7", Agent: "test"}
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(wanted ...string) {
		t.Helper()
		var got []string
		for _, n := range sent {
			data, err := json.Marshal(n.Data)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.ReplaceAll(fmt.Sprintf("%s %s|%s|%s|%s", n.UserID, n.Type, n.Title, n.Message, data), home[len(home)-36:], "ID"))
		}
		for _, a := range deeds {
			if a.WorkspaceID == "" || a.Category != "Circuits" || a.ResourceID != home[len(home)-36:] || !a.Success || a.Address == "" || a.Agent == "" {
				t.Errorf("noted: %+v", a)
			}
			got = append(got, fmt.Sprintf("%s did %s %s: %s", a.UserID, a.Type, a.Action, a.Description))
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
		}
		sent, deeds = nil, nil
	}
	at := fmt.Sprintf(`"timestamp":%d}`, chainStart.Unix())
	received := func(who, message string) string {
		return who + ` JoinRequestReceived|New join request for Our herd|User user-stranger requested to join your circuit|` +
			`{"circuit_id":"ID","circuit_name":"Our herd","message":` + message + `,"requester_id":"user-stranger",` + at
	}
	asked := "user-stranger did Create request_join: Asked to join circuit: Our herd"

	must(svc.RequestToJoin(t.Context(), as(c.stranger), id(home), "please"))
	want(received("user-owner", `"please"`), received("user-manager", `"please"`), asked)
	must(svc.RejectJoin(t.Context(), as(c.manager), id(home), c.stranger.UserID))
	want(`user-stranger JoinRequestRejected|Join request rejected for Our herd|Your request to join Our herd has been rejected.|`+
		`{"circuit_id":"ID","circuit_name":"Our herd","rejected_by":"user-manager",`+at,
		"user-manager did Reject reject_join_request: Rejected the join request of user-stranger for circuit: Our herd")

	visitor := circuits.Visitor{Actor: as(c.stranger), From: netip.MustParseAddr("192.0.2.7")}
	must(svc.JoinPublic(t.Context(), visitor, id(home), ""))
	want(received("user-owner", "null"), received("user-manager", "null"), asked)
	must(svc.ApproveJoin(t.Context(), as(c.owner), id(home), circuits.Approval{RequesterID: c.stranger.UserID, Role: "aDMIN"}))
	want(`user-stranger JoinRequestApproved|Join request approved for Our herd|Your request to join Our herd has been approved. You are now a aDMIN.|`+
		`{"approved_by":"user-owner","assigned_role":"aDMIN","circuit_id":"ID","circuit_name":"Our herd",`+at,
		"user-owner did Approve approve_join_request: Approved the join request of user-stranger for circuit: Our herd")

	must(svc.SetPublic(t.Context(), as(c.owner), id(home), circuits.PublicInput{AutoApprove: true}))
	want("user-owner did Update update_public_settings: Updated the public settings of circuit: Our herd")
	late := c.srv.User("late")
	must(svc.JoinPublic(t.Context(), circuits.Visitor{Actor: as(late)}, id(home), ""))
	want("user-late did Create join_circuit: Joined circuit: Our herd")
}

// Public joins: every answer and every refusal.
func TestPublicJoin(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	face := func(settings string) string {
		t.Helper()
		path := "/api/circuits/" + newCircuit(t, c.owner, "")
		c.owner.Put(t, path+"/public-settings", settings).WantStatus(200)
		return path
	}
	join := func(who *servertest.Client, path, body string) *servertest.Response {
		t.Helper()
		return who.Post(t, path+"/public/join", body)
	}
	auto := face(`{"auto_approve_members":true}`)
	c.stranger.Post(t, auto+"/requests", nil).WantStatus(200)
	c.stranger.Post(t, auto+"/public/join", nil).WantStatus(200).WantGolden("circuit/join_public_auto")
	res := c.owner.Get(t, auto).WantStatus(200).WantGolden("circuit/join_public_auto_as_owner") // the request is closed
	if got := roleOf(t, res, c.stranger.UserID); got != "Member" {
		t.Errorf("role: got %q, want Member", got)
	}
	manual := face(`{"access_mode":"protected","access_password":"s3cret of the herd"}`)
	join(c.stranger, manual, `{"access_password":"s3cret of the herd","message":"hello"}`).WantStatus(200).WantGolden("circuit/join_public_manual")
	c.owner.Get(t, manual+"/requests/pending").WantStatus(200).WantGolden("circuit/join_public_pending")
	bare := c.circuit(t, public) // public without settings
	join(c.stranger, bare, `{}`).WantStatus(200).WantGolden("circuit/join_public_manual")

	const pre = "Failed to join circuit: "
	tomorrow := chainStart.Add(24 * time.Hour).Format(time.RFC3339)
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		said       string
	}{
		{c.stranger, "/api/circuits/" + uuid.NewString(), `{}`, 400, pre + "Circuit not found"},
		{c.stranger, "/api/circuits/7", `{}`, 400, "Invalid circuit ID format"},
		{c.stranger, c.circuit(t, nil), `{}`, 400, pre + "Permission denied: Circuit is not publicly accessible"},
		{c.stranger, face(`{"access_mode":"scheduled","scheduled_date":"` + tomorrow + `"}`), `{}`, 400, pre + "Permission denied: Circuit is not publicly accessible"},
		{c.stranger, c.circuit(t, inactive), `{}`, 400, pre + "Validation error: Circuit is not active"},
		{c.owner, auto, `{}`, 400, pre + "Validation error: User is already a member of this circuit"},
		{c.stranger, auto, `{}`, 400, pre + "Validation error: User is already a member of this circuit"},
		{c.member, manual, `{}`, 400, pre + "Permission denied: Invalid access password"},
		{c.member, manual, `{"access_password":""}`, 400, pre + "Permission denied: Invalid access password"},
		{c.member, manual, `{"access_password":"S3cret of the herd"}`, 400, pre + "Permission denied: Invalid access password"},
		{c.member, manual, `{"access_password":"` + strings.Repeat("x", 5000) + `"}`, 400, pre + "Permission denied: Invalid access password"},
		{c.member, face(`{"access_mode":"protected","access_password":""}`), `{}`, 400, pre + "Validation error: Circuit requires password but none is configured"},
		{c.stranger, manual, `{"access_password":"s3cret of the herd"}`, 400, pre + "Validation error: User already has a pending request for this circuit"},
		{c.member, auto, fmt.Sprintf(`{"message":%q}`, strings.Repeat("x", 4097)), 400, pre + "Validation error: message is longer than 4096 bytes"},
		{c.nobody, auto, `{}`, 401, "Authentication required. Use JWT token or API key."},
	} {
		res := join(tt.who, tt.path, tt.body)
		if res.Status != tt.status || res.Field("error") != tt.said {
			t.Errorf("%s, %s %.60s: got %d %s, want %d %s", tt.who.Username, tt.path, tt.body, res.Status, res.Body, tt.status, tt.said)
		}
	}
}
