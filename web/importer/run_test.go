package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app/demo"
	"github.com/defarm-repo/defarm/web/client"
)

// counts are the numbers of a summary.
func counts(s *Summary) map[string]int {
	out := map[string]int{}
	for name, n := range map[string]int{
		"read": s.Read, "valid": s.Valid, "created": s.Created, "enriched": s.Enriched,
		"skipped": s.Skipped, "refused": s.Refused, "failed": s.Failed, "unsent": s.Unsent,
	} {
		if n > 0 {
			out[name] = n
		}
	}
	return out
}

func wantCounts(t *testing.T, s *Summary, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, counts(s)); diff != "" {
		t.Errorf("counts (-want +got):\n%s\nfailed: %v", diff, s.FailedRows)
	}
}

func TestHerdTwice(t *testing.T) {
	t.Parallel()
	f := newFake()
	herd, err := io.ReadAll(demo.Herd())
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, f, string(herd))
	c.Concurrency = 16
	first, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, first, map[string]int{
		"read": demo.HerdRows, "created": demo.HerdAnimals, "enriched": demo.HerdRepeats, "refused": demo.HerdRefused,
	})
	if !slices.Equal(first.IgnoredColumns, []string{"notes"}) {
		t.Errorf("ignored columns: got %q, want notes", first.IgnoredColumns)
	}
	before := f.count()
	c.Source = demo.Herd()
	second, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, second, map[string]int{
		"read": demo.HerdRows, "enriched": demo.HerdAnimals + demo.HerdRepeats, "refused": demo.HerdRefused,
	})
	if f.count() != before || before != demo.HerdAnimals {
		t.Errorf("items: %d after the first run, %d after the second; want %d both", before, f.count(), demo.HerdAnimals)
	}
	if diff := cmp.Diff(first.RefusedRows, second.RefusedRows); diff != "" {
		t.Errorf("refused rows differ:\n%s", diff)
	}
	if len(f.together()) > 0 {
		t.Errorf("rows of one animal were under way together: %v", f.together())
	}
}

// Another member of the circuit has local ids of his own, but finds the
// animals with canonical identifiers.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	f := newFake()
	source := "sisbov,ear_tag\nBR000000000001,\n,A-1\n"
	for i, user := range []string{"user-1", "user-2"} {
		f.as(user)
		s, err := Run(t.Context(), start(t, f, source))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"read": 2, "created": 2}
		if i == 1 {
			want = map[string]int{"read": 2, "created": 1, "enriched": 1}
		}
		wantCounts(t, s, want)
	}
}

func TestRowsOfOneAnimalKeepTheirOrder(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("sisbov,rfid,weight_kg\n")
	// Row 0 has both names; later ones use either, so they are linked by it alone.
	for i := range 200 {
		sisbov, rfid := "BR000000000001", "076000000000009"
		switch {
		case i > 0 && i%2 == 0:
			rfid = ""
		case i > 0:
			sisbov = ""
		}
		fmt.Fprintf(&b, "%s,%s,%d\n", sisbov, rfid, i+1)
		if i%2 == 0 {
			b.WriteString("BR000000000001,076000000000009,\n")
		}
	}
	f := newFake()
	c := start(t, f, b.String())
	c.Concurrency = 32
	s, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, map[string]int{"read": 300, "created": 1, "enriched": 299})
	if got := f.stored(); len(got) != 200 || !slices.IsSorted(got) {
		t.Errorf("weights were stored as %v, want 1 to 200 in order", got)
	}
	if len(f.together()) > 0 {
		t.Errorf("rows of the animal were under way together: %v", f.together())
	}
}

func TestBusyIsRepeated(t *testing.T) {
	t.Parallel()
	f := newFake()
	var seen sync.Map // each row is refused once
	f.refuse = func(w http.ResponseWriter, _ int, p push) bool {
		if _, again := seen.LoadOrStore(p.Identifiers[0].Value, true); again {
			return false
		}
		w.Header().Set("Retry-After", "0")
		http.Error(w, `{"error":"Storage temporarily unavailable"}`, http.StatusServiceUnavailable)
		return true
	}
	s, err := Run(t.Context(), start(t, f, herdOf(60)))
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, map[string]int{"read": 60, "created": 60})
	if f.pushes() != 2*60 {
		t.Errorf("server saw %d requests, want two for each of the 60 rows", f.pushes())
	}
}

func TestFailedRowsDoNotStopTheOthers(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.refuse = func(w http.ResponseWriter, _ int, p push) bool {
		if !strings.HasSuffix(p.Identifiers[0].Value, "5") {
			return false
		}
		http.Error(w, `{"error":"Validation error: Namespace 'bovino' not allowed in this circuit"}`, http.StatusBadRequest)
		return true
	}
	s, err := Run(t.Context(), start(t, f, herdOf(30)))
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, map[string]int{"read": 30, "created": 27, "failed": 3})
	const reason = "400 Validation error: Namespace 'bovino' not allowed in this circuit"
	if diff := cmp.Diff([]RowReport{{6, reason}, {16, reason}, {26, reason}}, s.FailedRows); diff != "" {
		t.Errorf("failed rows (-want +got):\n%s", diff)
	}
}

func TestHopelessImportStops(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		most   int // requests the server may see
	}{
		{"permission denied", http.StatusForbidden, hopeless + 8},
		{"credential void", http.StatusUnauthorized, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.refuse = func(w http.ResponseWriter, _ int, _ push) bool {
				http.Error(w, `{"error":"as told"}`, tt.status)
				return true
			}
			s, err := Run(t.Context(), start(t, f, herdOf(500)))
			var answer *client.Error
			if !errors.As(err, &answer) || answer.Status != tt.status || !strings.Contains(s.StoppedBy, "stopped") {
				t.Fatalf("got %v and %q, want the import stopped by status %d", err, s.StoppedBy, tt.status)
			}
			if f.pushes() > tt.most {
				t.Errorf("server saw %d requests, want at most %d", f.pushes(), tt.most)
			}
			if s.Read != s.Failed+s.Unsent {
				t.Errorf("read %d, failed %d, not sent %d: rows are missing", s.Read, s.Failed, s.Unsent)
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	f := newFake()
	c := start(t, f, herdOf(5))
	c.Circuit = "00000000-0000-4000-8000-000000000000"
	s, err := Run(t.Context(), c)
	if s != nil || err == nil || !strings.Contains(err.Error(), "404 Circuit not found") || f.pushes() != 0 {
		t.Errorf("unknown circuit: got %v, %v after %d pushes; want 404 before the first", s, err, f.pushes())
	}
	c = start(t, f, herdOf(5))
	c.Client = c.Client.WithCredential(client.Credential{APIKey: "dfm_other"})
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "401 invalid_api_key: Invalid API key") {
		t.Errorf("bad key: got %v, want 401", err)
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	f := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.refuse = func(_ http.ResponseWriter, n int, _ push) bool {
		if n == 50 {
			cancel()
		}
		return false
	}
	c := start(t, f, herdOf(1000))
	s, err := Run(ctx, c)
	if err == nil || s == nil || !strings.Contains(s.StoppedBy, "interrupted") {
		t.Fatalf("got %+v, %v; want an interrupted import", s, err)
	}
	if s.Created < 40 || s.Read >= 1000 || s.Read != s.Created+s.Enriched+s.Unsent {
		t.Errorf("counts: got %v, want about 50 created and the rest of what was read not sent", counts(s))
	}
}

func TestStateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "herd.state")
	f := newFake()
	f.refuse = func(w http.ResponseWriter, n int, _ push) bool {
		if n < 30 {
			return false
		}
		http.Error(w, `{"error":"expired"}`, http.StatusUnauthorized)
		return true
	}
	source := herdOf(100)
	c := start(t, f, source)
	c.StatePath, c.Concurrency = path, 1 // so that no answer is under way when the key expires
	run := func() (*Summary, error) {
		c.Source = strings.NewReader(source)
		return Run(t.Context(), c)
	}
	s, err := run()
	if err == nil || s.Created != 30 {
		t.Fatalf("first run: got %v, %v; want 30 created and an error", s, err)
	}
	f.set(nil)
	s, err = run()
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, map[string]int{"read": 100, "skipped": 30, "created": 70})

	// A line that a crash cut off is forgotten, the row done again.
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:len(raw)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	// So is a row that was edited.
	source = strings.Replace(source, "BR000000000001,300", "BR000000000001,333", 1)
	s, err = run()
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, map[string]int{"read": 100, "skipped": 98, "enriched": 2})
	s, err = run()
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, map[string]int{"read": 100, "skipped": 100})
}

func TestStateFileOfAnotherTarget(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "herd.state")
	f := newFake()
	c := start(t, f, herdOf(3))
	c.StatePath = path
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.as("user-2")
	c.Source = strings.NewReader(herdOf(3))
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "as user-1") {
		t.Errorf("another account: got %v, want a refusal that names the first", err)
	}
	if err := os.WriteFile(path, []byte("shopping list\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Source = strings.NewReader(herdOf(3))
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is not a state file") {
		t.Errorf("another file: got %v, want a refusal", err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "shopping list\n" {
		t.Errorf("the other file now holds %q (%v)", raw, err)
	}
}

func TestProgressLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := start(t, newFake(), herdOf(1000))
	c.DryRun, c.Progress = true, &out
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if len(lines) != 9 || !strings.HasPrefix(lines[0], " 10 %") || !strings.HasPrefix(lines[8], " 90 %") {
		t.Errorf("got %q, want a line for each tenth", lines)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"namespace", func(c *Config) { c.Namespace = "gado" }, `namespace "gado": want one of bovino`},
		{"circuit", func(c *Config) { c.Circuit = "7" }, `circuit "7" is not a UUID`},
		{"concurrency", func(c *Config) { c.Concurrency = -1 }, "concurrency -1"},
		{"empty file", func(c *Config) { c.Source = strings.NewReader("\n\n") }, "the file is empty"},
		{"no header", func(c *Config) { c.Source = strings.NewReader("BR000000000001,x\n") }, "no column named sisbov"},
		{"column twice", func(c *Config) { c.Source = strings.NewReader("sisbov;brinco;ear tag\n") }, "columns 2 and 3 both mean ear_tag"},
		{"utf-16", func(c *Config) { c.Source = strings.NewReader("\xff\xfes\x00i\x00") }, "UTF-16"},
		{"latin 1 header", func(c *Config) { c.Source = strings.NewReader("sisbov,ra\xe7a\n") }, "UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			c := start(t, f, herdOf(1))
			tt.change(&c)
			s, err := Run(t.Context(), c)
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) || f.pushes() > 0 {
				t.Errorf("got %v, %v; want %q before anything is sent", s, err, tt.want)
			}
		})
	}
}
