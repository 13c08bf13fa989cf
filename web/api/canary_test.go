package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// canary stands for a secret. It must come back in no answer and no log line,
// wherever in a request it was.
const canary = "kanarienvogel"

// picky refuses everything with an error that repeats it.
type picky struct{}

func (p *picky) UnmarshalText(b []byte) error { return errors.New("cannot read " + string(b)) }

type custom struct{}

func (c *custom) UnmarshalJSON(b []byte) error { return errors.New("cannot read " + string(b)) }

type canaryJSON struct {
	Name   string            `json:"name" maxLength:"3" pattern:"^[a-z]*$"`
	Kind   string            `json:"kind,omitempty" enum:"a,b"`
	Mail   string            `json:"mail,omitempty" format:"email"`
	Link   string            `json:"link,omitempty" format:"uri"`
	ID     string            `json:"id,omitempty" format:"uuid"`
	When   time.Time         `json:"when,omitzero"`
	Addr   netip.Addr        `json:"addr,omitzero"`
	Number int               `json:"number,omitempty"`
	Flags  map[string]bool   `json:"flags,omitempty"`
	Deep   map[string][]bool `json:"deep,omitempty"`
	Custom *custom           `json:"custom,omitempty"`
	Text   *picky            `json:"text,omitempty"`
}

func canaryRoutes(r *registrar) {
	post(r, "/t/body", scopePublic, func(context.Context, *struct{ Body canaryJSON }) (*reply[string], error) {
		return respond("ok", nil)
	}, summary("Test"))
	get(r, "/t/params/{n}", scopePublic, func(context.Context, *struct {
		N     int       `path:"n"`
		Limit int       `query:"limit"`
		When  time.Time `query:"when"`
		Text  picky     `query:"text"`
		Kind  string    `query:"kind" enum:"a,b"`
		Mail  string    `query:"mail" format:"email"`
		Count int       `header:"X-Count"`
	}) (*reply[string], error) {
		return respond("ok", nil)
	}, summary("Test"))
	get(r, "/t/user", scopeUser, who, summary("Test"))
	get(r, "/t/fail", scopePublic, func(context.Context, *struct{}) (*reply[string], error) {
		return nil, app.Invalid(app.ReasonMalformed, "refused").Causing(errors.New(canary))
	}, summary("Test"))
}

func TestRejectedValuesAreNotRepeated(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, canaryRoutes)
	quoted := `"` + canary + `"`
	bodies := []string{
		`{"name":` + quoted + `}`, `{"name":5,"x":` + quoted + `}`, quoted, canary, `{` + quoted + `:`,
		`{"name":"a","kind":` + quoted + `}`, `{"name":"a","mail":` + quoted + `}`, `{"name":"a","mail":"<` + canary + `@"}`,
		`{"name":"a","link":"http://[` + canary + `"}`, `{"name":"a","link":"%zz` + canary + `"}`,
		`{"name":"a","id":` + quoted + `}`, `{"name":"a","id":"urn:` + canary + strings.Repeat("x", 28) + `"}`,
		`{"name":"a","when":` + quoted + `}`, `{"name":"a","addr":` + quoted + `}`,
		`{"name":"a","number":` + quoted + `}`, `{"name":"a","number":77777777777777777777}`,
		`{"name":"a","flags":{` + quoted + `:1}}`, `{"name":"a","flags":` + quoted + `}`,
		`{"name":"a","deep":{"a.` + canary + `[0]":[1]}}`, `{"name":"a","deep":{` + quoted + `:[true,7]}}`,
		`{"name":"a","custom":` + quoted + `}`, `{"name":"a","text":` + quoted + `}`,
		`{"name":"a","NAME":` + quoted + `,"kind":"c"}`, `{"name":"a"}` + canary + `{`, `[` + quoted + `,`,
		`{"name":"a","flags":{"x":"` + canary + `\ud800"}}`, "{\"name\":\"" + canary + "\xff\"}",
	}
	check := func(what string, got answer) {
		t.Helper()
		all := got.body
		for name, v := range got.header {
			all += "\n" + name + ": " + strings.Join(v, ",")
		}
		if strings.Contains(strings.ToLower(all), canary) || strings.Contains(got.body, "7777777") {
			t.Errorf("%s: the answer repeats it: %d %s", what, got.status, all)
		}
	}
	for _, b := range bodies {
		got := e.do(t, "POST", "/t/body", b, headers{"Content-Type", "application/json"})
		if got.status < 400 && !strings.HasPrefix(b, `{"name":"a"}`) {
			t.Errorf("%s: got %d, want a refusal", b, got.status)
		}
		check(b, got)
	}
	for _, path := range []string{
		"/t/params/" + canary, "/t/params/1?limit=" + canary, "/t/params/1?when=" + canary, "/t/params/1?text=" + canary,
		"/t/params/1?kind=" + canary, "/t/params/1?mail=" + canary, "/t/params/1?limit=1&limit=" + canary,
		"/t/params/1?limit=%zz" + canary, "/t/params/%ff" + canary, "/" + canary, "/t/fail?token=" + canary,
		"/docs/" + canary, "/t/user?token=" + canary,
	} {
		check(path, e.do(t, "GET", path, "", nil))
	}
	for _, h := range []headers{
		{"Authorization", "Bearer " + canary}, {"Authorization", canary}, {"X-API-Key", "dfm_" + canary}, {"X-API-Key", canary},
		{"Content-Type", canary}, {"Accept", "application/" + canary}, {"X-Request-Id", canary + " <script>"},
		{"Cookie", "a=" + canary}, {"X-Count", canary}, {"User-Agent", canary}, {"Referer", canary},
	} {
		check(h[0], e.do(t, "GET", "/t/user", "", h))
		check(h[0], e.do(t, "GET", "/t/params/1", "", h))
		check(h[0], e.do(t, "POST", "/t/body", "{}", h))
	}
	for len(e.log) > 0 {
		line := <-e.log
		if bytes.Contains(line, []byte(canary)) {
			t.Errorf("the log repeats it: %s", line)
		}
		if !json.Valid(line) {
			t.Errorf("log line is no JSON: %s", line)
		}
	}
}
