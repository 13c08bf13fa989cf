package loadtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/web/client"
)

// over serves a fake on the network.
func over(t *testing.T, f *fake) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := f.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		var body bytes.Buffer
		if _, err := body.ReadFrom(res.Body); err != nil {
			t.Error(err)
		}
		if _, err := w.Write(body.Bytes()); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// Not parallel: the environment belongs to the process.
func TestCommand(t *testing.T) {
	t.Setenv(client.EnvToken, "")
	t.Setenv(client.EnvAPIKey, "dfm_k")
	f := newFake(func(op string, n int) behaviour {
		if op == operationPush && n%4 == 3 {
			return behaviour{status: 503, retryAfter: true}
		}
		return behaviour{}
	})
	file := filepath.Join(t.TempDir(), "report.json")
	cmd := Command()
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs([]string{
		"--url", over(t, f), "--scenario", "push", "--clients", "4", "--iterations", "100", "--duration", "0", "--warmup", "0", "--json", file,
	})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if r.Total.Requests != 200 || r.Total.Errors != 25 || r.Total.Statuses["503"] != 25 || r.Total.Busy == nil {
		t.Errorf("report: got %+v, want 200 requests of which 25 were 503", r.Total)
	}
	for _, want := range []string{"create-local", "push-local", "total", "503 × 25", "P99 ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, out.String())
		}
	}
	if !strings.Contains(errs.String(), "target http://127.0.0.1") || len(f.registered) != 0 {
		t.Errorf("stderr %q, %d users registered; want the target, and none with a key", errs.String(), len(f.registered))
	}
}

func TestCommandFailsWithoutServer(t *testing.T) {
	t.Setenv(client.EnvToken, "t")
	t.Setenv(client.EnvAPIKey, "")
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	cmd := Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs([]string{"--url", srv.URL, "--scenario", "push"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "/api/circuits") {
		t.Errorf("got %v, want the request that failed", err)
	}
	if strings.Contains(out.String(), "Usage:") {
		t.Errorf("usage was printed for a fault that is not the caller's:\n%s", out.String())
	}
}
