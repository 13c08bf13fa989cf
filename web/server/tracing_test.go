package server

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/defarm-repo/defarm/app/identity"
)

// collectorPeer takes traces as an OpenTelemetry collector does.
type collectorPeer struct {
	mu    sync.Mutex
	spans map[string][]string // span name to the names of its children
	raw   []byte
}

func (p *collectorPeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	var in collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(raw, &in)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raw = append(p.raw, raw...)
	names := map[string]string{}
	for _, rs := range in.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				names[string(s.SpanId)] = s.Name
			}
		}
	}
	for _, rs := range in.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				parent := names[string(s.ParentSpanId)]
				p.spans[parent] = append(p.spans[parent], s.Name)
			}
		}
	}
}

// A login is traced with the stages that operators know, its write with the
// parts of the writer's work, and no secret is in any span.
func TestTraces(t *testing.T) {
	t.Parallel()
	peer := &collectorPeer{spans: map[string][]string{}}
	hub := httptest.NewServer(peer)
	defer hub.Close()
	c := testConfig(t)
	c.Tracing.Endpoint = hub.URL
	s, err := Open(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Identity().CreateUser(t.Context(), identity.NewUser{Username: "canary-name", Email: "canary@example.org", Password: "Canary-Passw0rd!"})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"username":"canary-name","password":"Canary-Passw0rd!"}`
	res, err := http.Post(s.URL()+"/api/auth/login?q=canary-query", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("login: %d %s (%v)", res.StatusCode, answer, err)
	}
	if status, _ := fetch(t, s.URL()+"/canary-path"); status != http.StatusNotFound {
		t.Errorf("unknown path: got %d", status)
	}
	if err := s.Close(t.Context()); err != nil { // the last spans leave
		t.Fatal(err)
	}
	for _, want := range []string{
		"acquire_storage", "get_user_by_username", "bcrypt_verify", "store_user_account", "writer wait", "writer run", "writer commit",
	} {
		if !slices.Contains(peer.spans["POST /api/auth/login"], want) {
			t.Errorf("no span %q below the login; there are %v", want, peer.spans)
		}
	}
	if !slices.Contains(peer.spans[""], "GET unmatched") {
		t.Errorf("no span of the request to nowhere: %v", peer.spans)
	}
	token := string(answer)[strings.Index(string(answer), `"token":"`)+9:][:40]
	for _, secret := range []string{"canary-name", "Canary-Passw0rd", "canary-query", "canary-path", token} {
		if strings.Contains(string(peer.raw), secret) {
			t.Errorf("the traces hold %q", secret)
		}
	}
}
