package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

// matrixRow is a route and the status that it answers to each kind of caller, in
// the order of matrix.callers.
type matrixRow struct {
	route, body string
	want        [12]int
}

// matrixRows are all routes below /api/circuits. The expectation is written by
// hand from contract 03 R2 and the sections of the routes, for a private circuit.
//
// Callers: anonymous, stranger, Viewer, Member, Admin, Steward (a custom role:
// Pull and ManagePermissions), Owner, the owner's keys that only read, only
// write, do both; an administrator, and a key of his without the admin flag.
func matrixRows() []matrixRow {
	return slices.Concat(matrixReads(), []matrixRow{
		{"POST /api/circuits", `{"name":"x","description":""}`, [12]int{401, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200, 200}},
		{"PATCH /api/circuits/{id}", `{"name":"x"}`, [12]int{401, 404, 400, 400, 400, 200, 200, 403, 200, 200, 400, 404}},
		{"PUT /api/circuits/{id}", `{"name":"x"}`, [12]int{401, 404, 400, 400, 400, 200, 200, 403, 200, 200, 400, 404}},
		{"PUT /api/circuits/{id}/deactivate", "", [12]int{401, 400, 400, 400, 400, 200, 200, 403, 200, 200, 400, 400}},
		{"PUT /api/circuits/{id}/reactivate", "", [12]int{401, 400, 400, 400, 400, 200, 200, 403, 200, 200, 400, 400}},
		{"PUT /api/circuits/{id}/visibility/toggle", "", [12]int{401, 404, 403, 403, 200, 200, 200, 403, 200, 200, 403, 404}},
		{"PUT /api/circuits/{id}/alias-config", `{}`, [12]int{401, 400, 400, 400, 400, 200, 200, 403, 200, 200, 400, 400}},
		{"PUT /api/circuits/{id}/public-settings", `{}`, [12]int{401, 400, 400, 400, 400, 200, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/{id}/transfer", `{"new_owner_id":"user-member"}`, [12]int{401, 400, 400, 400, 400, 400, 200, 403, 200, 200, 400, 400}},

		{"POST /api/circuits/{id}/members", addBody("user-late", "viewer"), [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"PATCH /api/circuits/{id}/members/{user_id}", `{"role":"viewer"}`, [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"DELETE /api/circuits/{id}/members/{user_id}", "", [12]int{401, 400, 400, 200, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/{id}/leave", "", [12]int{401, 400, 200, 200, 200, 200, 400, 403, 400, 400, 400, 400}},
		{"POST /api/circuits/{id}/roles", `{"role_name":"R","permissions":["pull"],"description":""}`, [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"PUT /api/circuits/{id}/roles/{role_name}", `{"permissions":["pull"]}`, [12]int{401, 404, 403, 403, 200, 403, 200, 403, 200, 200, 403, 404}},
		{"DELETE /api/circuits/{id}/roles/{role_name}", "", [12]int{401, 404, 403, 403, 200, 403, 200, 403, 200, 200, 403, 404}},

		// Whoever knows the id of a circuit may ask to join it, administrators too.
		{"POST /api/circuits/{id}/requests", "", [12]int{401, 200, 400, 400, 400, 400, 400, 403, 400, 400, 200, 200}},
		{"POST /api/circuits/{id}/requests/{requester_id}/approve", "", [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/{id}/requests/{requester_id}/reject", "", [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/{id}/public/join", "", [12]int{401, 400, 400, 400, 400, 400, 400, 403, 400, 400, 400, 400}},

		{"POST /api/circuits/{id}/push-local", `{"local_id":"{new}","identifiers":[{"key":"lote","value":"{new}"}]}`, [12]int{401, 403, 403, 200, 200, 403, 200, 403, 200, 200, 403, 403}},
		{"POST /api/circuits/{id}/push/{dfid}", "", [12]int{401, 404, 403, 200, 200, 403, 200, 403, 200, 200, 403, 404}},
		{"POST /api/circuits/{id}/push/batch", `{"dfids":["{dfid}"]}`, [12]int{401, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200, 200}}, // see TestCircuitMatrixContents
		{"POST /api/circuits/{id}/pull/{dfid}", "", [12]int{401, 400, 200, 200, 200, 200, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/operations/{operation_id}/approve", "", [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/operations/{operation_id}/reject", "", [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/{id}/pending-items/{pending_id}/approve", "", [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
		{"POST /api/circuits/{id}/pending-items/{pending_id}/reject", "", [12]int{401, 400, 400, 400, 200, 400, 200, 403, 200, 200, 400, 400}},
	})
}

// matrixReads are the routes that change nothing. Some answer an empty list to
// outsiders, as the contract has it: see TestCircuitMatrixContents.
func matrixReads() []matrixRow {
	return []matrixRow{
		{"GET /api/circuits", "", [12]int{401, 200, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200}},
		{"GET /api/circuits/list", "", [12]int{401, 200, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200}},
		{"GET /api/circuits/member/{member_id}", "", [12]int{401, 200, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200}},
		{"GET /api/circuits/{id}", "", [12]int{401, 404, 200, 200, 200, 200, 200, 200, 403, 200, 200, 404}},
		{"GET /api/circuits/{id}/items", "", [12]int{401, 404, 200, 200, 200, 200, 200, 200, 403, 200, 200, 404}},
		{"GET /api/circuits/{id}/activities", "", [12]int{401, 200, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200}},
		{"GET /api/circuits/{id}/operations", "", [12]int{401, 200, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200}},
		{"GET /api/circuits/{id}/operations/pending", "", [12]int{401, 200, 200, 200, 200, 200, 200, 200, 403, 200, 200, 200}},
		{"GET /api/circuits/{id}/pending-items", "", [12]int{401, 404, 200, 200, 200, 200, 200, 200, 403, 200, 200, 404}},
		{"GET /api/circuits/{id}/alias-config", "", [12]int{401, 404, 200, 200, 200, 200, 200, 200, 403, 200, 200, 404}},
		{"GET /api/circuits/{id}/roles", "", [12]int{401, 404, 200, 200, 200, 200, 200, 200, 403, 200, 200, 404}},
		{"GET /api/circuits/{id}/requests/pending", "", [12]int{401, 404, 403, 403, 200, 403, 200, 200, 403, 200, 200, 404}},
		{"GET /api/circuits/{id}/public-settings", "", [12]int{401, 404, 403, 403, 403, 200, 200, 200, 403, 200, 200, 404}},
		{"GET /api/circuits/{id}/public", "", [12]int{404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404}}, // it has no page
	}
}

// caller is somebody of the matrix.
type caller struct {
	name string
	*servertest.Client
}

// matrix is a server with everybody who has to do with its circuits.
type matrix struct {
	srv                                   *servertest.Server
	owner, admin, member, viewer, steward *servertest.Client
	requester                             *servertest.Client
	callers                               []caller // the columns
	dfid                                  string   // an item that every member may push
	unpublished                           string   // another, for public circuits
}

func newMatrix(t *testing.T) matrix {
	t.Helper()
	srv := servertest.Start(t, servertest.At(chainStart))
	m := matrix{
		srv: srv, owner: srv.User("owner"), admin: srv.User("deputy"), member: srv.User("member"), viewer: srv.User("viewer"),
		steward: srv.User("steward"), requester: srv.User("requester"),
	}
	srv.User("late")
	root := srv.Admin()
	key := func(of *servertest.Client, flags string) *servertest.Client {
		t.Helper()
		return of.WithToken("").WithKey(of.Post(t, "/api/api-keys",
			`{"name":"k","permissions":{`+flags+`},"rate_limit_per_hour":1000000}`).WantStatus(ok).Field("api_key"))
	}
	m.callers = []caller{
		{"anonymous", srv.Anonymous()}, {"stranger", srv.User("stranger")}, {"viewer", m.viewer}, {"member", m.member}, {"admin", m.admin},
		{"steward", m.steward}, {"owner", m.owner}, {"read key", key(m.owner, `"read":true`)}, {"write key", key(m.owner, `"write":true`)},
		{"full key", key(m.owner, `"read":true,"write":true`)}, {"administrator", root}, {"administrator's plain key", key(root, `"read":true,"write":true`)},
	}
	commons := seedCircuit(t, srv, nil, roles{
		m.owner: app.RoleOwner, m.admin: app.RoleAdmin, m.member: app.RoleMember, m.viewer: app.RoleMember, m.steward: app.RoleMember,
	})
	m.dfid, m.unpublished = pushed(t, m.owner, commons, "BR000000000001"), pushed(t, m.owner, commons, "BR000000000002")
	return m
}

// staged is a circuit with all that can be in one.
type staged struct {
	id, operation string
}

// stage makes a circuit that holds both items, with a push of the first that
// waits (the member's), a line of history, and a join request that waits.
func (m matrix) stage(t *testing.T, edit func(*app.Circuit)) staged {
	t.Helper()
	id := seedCircuit(t, m.srv, func(c *app.Circuit) {
		for i, e := range c.Members {
			if e.UserID == m.steward.UserID {
				c.Members[i].CustomRole, c.Members[i].Permissions = "Steward", []app.Permission{app.PermPull, app.PermManagePermissions}
			}
		}
		c.Roles = []app.CustomRole{{ID: uuid.New(), Name: "Free", Description: "canary-role", CreatedAt: chainStart}}
		if edit != nil {
			edit(c)
		}
	}, roles{m.owner: app.RoleOwner, m.admin: app.RoleAdmin, m.member: app.RoleMember, m.viewer: app.RoleViewer, m.steward: app.RoleMember})
	operation := uuid.New()
	err := m.srv.Store().Write(t.Context(), func(tx app.Tx) error {
		gate, err := tx.Circuits().Gate(uuid.MustParse(id), "")
		if err != nil {
			return err
		}
		row := gate.Circuit.Row
		for _, dfid := range []string{m.dfid, m.unpublished} {
			it, err := tx.Items().ByDFID(dfid)
			if err != nil {
				return err
			}
			err = tx.Circuits().PutItem(app.CircuitItem{CircuitRow: row, ItemRow: it.Row, DFID: dfid, PushedBy: m.member.UserID, PushedAt: chainStart, Whole: true})
			if err != nil {
				return err
			}
			if dfid == m.dfid && gate.Circuit.Public != nil {
				if err := tx.Circuits().Publish(row, it.Row, chainStart); err != nil {
					return err
				}
			}
		}
		for _, err := range []error{
			tx.Operations().Insert(app.CircuitOperation{
				ID: operation, CircuitRow: row, DFID: m.dfid, Type: app.OperationPush, RequesterID: m.member.UserID, At: chainStart,
				Status: app.OperationPending, Metadata: map[string]json.RawMessage{}, Plan: app.OperationPlan{Whole: true},
			}),
			tx.Activities().InsertCircuit(app.CircuitActivity{
				ID: uuid.New(), Type: app.OperationPush, CircuitRow: row, CircuitName: "Herd", ItemDFIDs: []string{m.unpublished},
				UserID: m.member.UserID, At: chainStart, Status: "Success", ItemsCount: 1,
			}),
			tx.JoinRequests().Insert(app.JoinRequest{
				CircuitRow: row, RequesterID: m.requester.UserID, Message: "canary-message", Status: app.JoinPending, RequestedAt: chainStart,
			}),
			tx.Circuits().Touch(gate.Circuit, chainStart),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return staged{id, operation.String()}
}

// ask sends a row's request about a circuit.
func (m matrix) ask(t *testing.T, who *servertest.Client, row matrixRow, s staged) *servertest.Response {
	t.Helper()
	fill := strings.NewReplacer("{id}", s.id, "{dfid}", m.dfid, "{operation_id}", s.operation, "{pending_id}", s.operation,
		"{requester_id}", m.requester.UserID, "{user_id}", m.member.UserID, "{member_id}", m.owner.UserID, "{role_name}", "Free",
		"{new}", uuid.NewString())
	method, path, _ := strings.Cut(row.route, " ")
	var body any
	if row.body != "" {
		body = fill.Replace(row.body)
	}
	return who.Do(t, method, fill.Replace(path), body)
}

// Every route × everybody, in a private circuit. A circuit is made for each cell
// that may change one, so that no cell depends on another.
func TestCircuitMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	shared := m.stage(t, nil)
	for _, row := range matrixRows() {
		for i, c := range m.callers {
			s := shared
			if !strings.HasPrefix(row.route, "GET ") {
				s = m.stage(t, nil)
			}
			if res := m.ask(t, c.Client, row, s); res.Status != row.want[i] {
				t.Errorf("%s by %s: got %d, want %d; %s", row.route, c.name, res.Status, row.want[i], strings.TrimSpace(string(res.Body)))
			}
		}
	}
}

// The matrix is of all the routes that there are: a new one fails here.
func TestCircuitMatrixIsWhole(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	var have, want []string
	for _, row := range matrixRows() {
		have = append(have, row.route)
	}
	for _, o := range operations(t, srv) {
		if strings.Contains(o.name, " /api/circuits") {
			want = append(want, o.name)
		}
	}
	slices.Sort(have)
	for _, route := range want {
		if !slices.Contains(have, route) {
			t.Errorf("%s is in no row of the matrix", route)
		}
	}
	for i, route := range have {
		if !slices.Contains(want, route) || (i > 0 && have[i-1] == route) {
			t.Errorf("%s is no route, or in two rows", route)
		}
	}
}

// What the routes tell that answer 200 to everybody: how many things, by caller.
// -1 is an answer that is none.
func TestCircuitMatrixContents(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for _, tt := range []struct {
		route, body, member string // the list's member of the answer; "": the answer itself
		want                [12]int
	}{
		{"GET /api/circuits/{id}/activities", "", "", [12]int{-1, 0, 1, 1, 1, 1, 1, 1, -1, 1, 1, 0}},
		{"GET /api/circuits/{id}/operations", "", "", [12]int{-1, 0, 0, 1, 1, 0, 1, 1, -1, 1, 1, 0}},
		{"GET /api/circuits/{id}/operations/pending", "", "", [12]int{-1, 0, 0, 1, 1, 0, 1, 1, -1, 1, 1, 0}},
		{"GET /api/circuits/{id}/pending-items", "", "data", [12]int{-1, -1, 0, 1, 1, 0, 1, 1, -1, 1, 1, -1}},
		{"GET /api/circuits/{id}/items", "", "", [12]int{-1, -1, 2, 2, 2, 2, 2, 2, -1, 2, 2, -1}},
		{"GET /api/circuits/{id}/requests/pending", "", "", [12]int{-1, -1, -1, -1, 1, -1, 1, 1, -1, 1, 1, -1}},
		{"POST /api/circuits/{id}/push/batch", `{"dfids":["{dfid}"]}`, "success_count", [12]int{-1, 0, 0, 1, 1, 0, 1, -1, 1, 1, 0, 0}},
	} {
		for i, c := range m.callers {
			res, got := m.ask(t, c.Client, matrixRow{route: tt.route, body: tt.body}, m.stage(t, nil)), -1
			if res.Status == ok {
				got = sizeOf(t, res, tt.member)
			}
			if got != tt.want[i] {
				t.Errorf("%s by %s: got %d, want %d; %s", tt.route, c.name, got, tt.want[i], res.Body)
			}
		}
	}
}

// sizeOf is a member of an answer if that is a number, else how long it is.
func sizeOf(t *testing.T, res *servertest.Response, member string) (n int) {
	t.Helper()
	text := string(res.Body)
	if member != "" {
		text = res.Field(member)
	}
	var list []json.RawMessage
	if json.Unmarshal([]byte(text), &list) == nil {
		return len(list)
	}
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatalf("%s is neither a list nor a number: %s", member, text)
	}
	return n
}

// Of a public circuit outsiders see its face and what it publishes. Whatever
// they ask for, nothing of what is inside is in the answer.
func TestPublicCircuitKeepsItsSecrets(t *testing.T) {
	t.Parallel()
	later := chainStart.AddDate(0, 0, 1)
	for _, face := range []struct {
		name   string
		public app.PublicSettings
		page   int // the public page's status
		open   bool
	}{
		{"public", app.PublicSettings{AccessMode: app.AccessPublic}, ok, true},
		{"protected", app.PublicSettings{AccessMode: app.AccessProtected, PasswordHash: "canary-hash"}, ok, false},
		{"scheduled", app.PublicSettings{AccessMode: app.AccessScheduled, ScheduledDate: &later}, unknown, false},
	} {
		t.Run(face.name, func(t *testing.T) {
			t.Parallel()
			m := newMatrix(t)
			m.record(t)
			s := m.stage(t, func(c *app.Circuit) {
				c.Permissions.AllowPublicVisibility, c.Public = true, &face.public
				c.Alias = &app.AliasConfig{RequiredCanonical: []string{"canary-alias"}}
			})
			hidden := []string{
				m.admin.UserID, m.member.UserID, m.viewer.UserID, m.steward.UserID, m.requester.UserID,
				"canary", "Steward", "Free", m.unpublished, s.operation,
			}
			if !face.open {
				hidden = append(hidden, m.dfid)
			}
			anonymous, stranger, plainKey := m.callers[0], m.callers[1], m.callers[11]
			for _, row := range publicRows(face.page) {
				for _, who := range []caller{anonymous, stranger, plainKey} {
					want := row.user
					if who == anonymous {
						want = row.anonymous
					}
					res := m.ask(t, who.Client, matrixRow{route: row.route, body: row.body}, s)
					if res.Status != want {
						t.Errorf("%s by %s: got %d, want %d; %s", row.route, who.name, res.Status, want, res.Body)
					}
					for _, secret := range hidden {
						if strings.Contains(string(res.Body), secret) {
							t.Errorf("%s by %s tells %q: %s", row.route, who.name, secret, res.Body)
						}
					}
				}
			}
			// What is published is there for all, where it is open.
			page := anonymous.Get(t, "/api/circuits/"+s.id+"/public")
			if shown := strings.Contains(string(page.Body), m.dfid); shown != face.open {
				t.Errorf("the page shows what is published: %t", shown)
			}
		})
	}
}

// record gives the item that is published events that the public must not see.
func (m matrix) record(t *testing.T) {
	t.Helper()
	err := m.srv.Store().Write(t.Context(), func(tx app.Tx) error {
		for _, e := range []app.Event{
			{Source: "canary-private", Visibility: app.VisibilityPrivate}, {Source: "canary-inside", Visibility: app.VisibilityCircuitOnly},
			{Source: "canary-direct", Visibility: app.VisibilityDirect}, {Source: "canary-encrypted", Visibility: app.VisibilityPublic, Encrypted: true},
		} {
			e.ID, e.DFID, e.Type, e.At, e.Metadata = uuid.New(), m.dfid, app.EventUpdated, chainStart, map[string]json.RawMessage{}
			if err := tx.Events().Insert(&e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// publicRow is a route about a public circuit, with the statuses for
// anonymous callers and for users who are no members.
type publicRow struct {
	route, body     string
	anonymous, user int
}

// publicRows are the reads, and the changes with what they say in refusing; page
// is the public page's status. Requests to join come last.
func publicRows(page int) []publicRow {
	return []publicRow{
		{"GET /api/circuits", "", 401, 200},
		{"GET /api/circuits/list", "", 401, 200},
		{"GET /api/circuits/member/{member_id}", "", 401, 200},
		{"GET /api/circuits/{id}", "", 401, 200},
		{"GET /api/circuits/{id}/items", "", 401, 200},
		{"GET /api/circuits/{id}/items?include_events=true", "", 401, 200},
		{"GET /api/circuits/{id}/activities", "", 401, 200},
		{"GET /api/circuits/{id}/operations", "", 401, 200},
		{"GET /api/circuits/{id}/operations/pending", "", 401, 200},
		{"GET /api/circuits/{id}/pending-items", "", 401, 200},
		{"GET /api/circuits/{id}/alias-config", "", 401, 403},
		{"GET /api/circuits/{id}/roles", "", 401, 200},
		{"GET /api/circuits/{id}/requests/pending", "", 401, 403},
		{"GET /api/circuits/{id}/public-settings", "", 401, 403},
		{"GET /api/circuits/{id}/public", "", page, page},

		{"PATCH /api/circuits/{id}", `{"name":"x"}`, 401, 400},
		{"PUT /api/circuits/{id}/visibility/toggle", "", 401, 403},
		{"PUT /api/circuits/{id}/public-settings", `{}`, 401, 400},
		// Not 400, whatever the settings are: who may not set them learns nothing of them.
		{"PUT /api/circuits/{id}/public-settings", `{"access_mode":"protected"}`, 401, 422},
		{"POST /api/circuits/{id}/members", addBody("user-member", "viewer"), 401, 400},
		{"DELETE /api/circuits/{id}/members/{user_id}", "", 401, 400},
		{"POST /api/circuits/{id}/leave", "", 401, 400},
		{"PUT /api/circuits/{id}/roles/{role_name}", `{"permissions":[]}`, 401, 403},
		{"DELETE /api/circuits/{id}/roles/{role_name}", "", 401, 403},
		{"POST /api/circuits/{id}/requests/{requester_id}/approve", "", 401, 400},
		{"POST /api/circuits/{id}/push/{dfid}", "", 401, 403},
		{"POST /api/circuits/{id}/push-local", `{"local_id":"{new}","identifiers":[{"key":"lote","value":"7"}]}`, 401, 403},
		{"POST /api/circuits/{id}/pull/{dfid}", "", 401, 400},
		{"POST /api/circuits/{id}/pending-items/{pending_id}/approve", "", 401, 400},
		{"POST /api/circuits/operations/{operation_id}/reject", "", 401, 400},
		{"POST /api/circuits/{id}/requests", `{"message":"mine"}`, 401, 200},
		{"GET /api/circuits/{id}", "", 401, 200},
	}
}
