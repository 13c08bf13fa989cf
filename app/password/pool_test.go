package password

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/defarm-repo/defarm/app"
)

func newPool(tb testing.TB, o Options) *Pool {
	tb.Helper()
	if o.Cost == 0 {
		o.Cost = bcrypt.MinCost
	}
	p := NewPool(o)
	tb.Cleanup(p.Close)
	return p
}

func TestHashHasTheOriginalsForm(t *testing.T) {
	t.Parallel()
	p := newPool(t, Options{})
	hash, err := p.Hash(t.Context(), "Secret123!")
	if err != nil {
		t.Fatal(err)
	}
	if form := regexp.MustCompile(`^\$2b\$04\$[./A-Za-z0-9]{53}$`); !form.MatchString(hash) {
		t.Errorf("hash %q, want the form %s", hash, form)
	}
	again, err := p.Hash(t.Context(), "Secret123!")
	if err != nil {
		t.Fatal(err)
	}
	if again == hash {
		t.Errorf("two hashes of one password are the same: no salt")
	}
	for pw, want := range map[string]bool{"Secret123!": true, "secret123!": false, "Secret123! ": false, "": false} {
		if same, err := p.Compare(t.Context(), hash, pw); err != nil || same != want {
			t.Errorf("Compare(%q) = %v, %v, want %v", pw, same, err, want)
		}
	}
}

// The hashes were made by python-bcrypt 5, which wraps another implementation.
func TestCompareKnowsHashesOfOthers(t *testing.T) {
	t.Parallel()
	p := newPool(t, Options{Cost: 5})
	const ours = "$2b$04$a4otCVbxw7D1PbQjkV9AfueABuOYG6Z.0pYd74IpZYBjSAgQdjdcm"
	cases := []struct {
		name, hash, password string
		want                 bool
	}{
		{"2b", ours, "Secret123!", true},
		{"2b, wrong", ours, "Secret123?", false},
		{"2a of cost 6", "$2a$06$TaDLTTUavnOXVoyMTMvsp.9ukqPQ/t0tWPEyjCst9ShDna267wS2m", "Secret123!", true},
		{"2y", strings.Replace(ours, "$2b$", "$2y$", 1), "Secret123!", true},
		{"2x", strings.Replace(ours, "$2b$", "$2x$", 1), "Secret123!", true},
		{"not ASCII", "$2b$04$T1STdvZbLvJ8lwvWjN56OenIZtIe/u1KP4sNl4vKIyb2tyz82kPbu", "ção é Ñ 9a!", true},
		{"72 bytes", "$2b$04$8VIP6/FAYNO1MaxV5EdlROerCATWarJUJE2Lis.YqgwA4/hOmRfsm", strings.Repeat("A", 72), true},
		{"73 bytes", "$2b$04$8VIP6/FAYNO1MaxV5EdlROerCATWarJUJE2Lis.YqgwA4/hOmRfsm", strings.Repeat("A", 73), false},
		{"71 bytes", "$2b$04$8VIP6/FAYNO1MaxV5EdlROerCATWarJUJE2Lis.YqgwA4/hOmRfsm", strings.Repeat("A", 71), false},
		{"repeated around NUL", ours, "Secret123!\x00Secret123!", false},
		{"invalid UTF-8", ours, "Secret123\xff", false},
		{"empty password", ours, "", false},
		{"empty hash", "", "Secret123!", false},
		{"empty hash and password", "", "", false},
		{"plain text", "Secret123!", "Secret123!", false},
		{"truncated", ours[:59], "Secret123!", false},
		{"one digit changed", ours[:59] + "n", "Secret123!", false},
		{"version 1", strings.Replace(ours, "$2b$", "$1$", 1), "Secret123!", false},
		{"version 3", strings.Replace(ours, "$2b$", "$3b$", 1), "Secret123!", false},
		{"cost 99", strings.Replace(ours, "$04$", "$99$", 1), "Secret123!", false},
		{"cost xx", strings.Replace(ours, "$04$", "$xx$", 1), "Secret123!", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if same, err := p.Compare(t.Context(), c.hash, c.password); err != nil || same != c.want {
				t.Errorf("Compare = %v, %v, want %v", same, err, c.want)
			}
		})
	}
}

func TestHashRefusesWhatBcryptConfuses(t *testing.T) {
	t.Parallel()
	p := newPool(t, Options{})
	for pw, want := range map[string]string{
		strings.Repeat("é", 37): "Password must be at most 72 bytes long",
		"Secret\x00123!":        "Password must be valid text without NUL characters",
		"Secret\xff123!":        "Password must be valid text without NUL characters",
	} {
		_, err := p.Hash(t.Context(), pw)
		var e *app.Error
		if !errors.As(err, &e) || e.Code != app.CodeInvalid || e.Reason != app.ReasonWeakPassword || e.Message != want {
			t.Errorf("Hash(%q) error %v, want %q", pw, err, want)
		}
	}
	if _, err := p.Hash(t.Context(), strings.Repeat("é", 36)); err != nil {
		t.Errorf("72 bytes are refused: %v", err)
	}
}

// A dummy that bcrypt finds malformed would answer at once.
func TestDummyHashIsWellFormed(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{bcrypt.MinCost, 5} {
		p := newPool(t, Options{Cost: cost})
		err := bcrypt.CompareHashAndPassword([]byte(p.dummy), []byte("anything"))
		if !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			t.Errorf("cost %d: comparison says %v, want a mismatch", cost, err)
		}
		if got, err := bcrypt.Cost([]byte(p.dummy)); err != nil || got != cost {
			t.Errorf("dummy has cost %d (%v), want %d", got, err, cost)
		}
		if err := p.CompareNone(t.Context(), "anything"); err != nil {
			t.Errorf("CompareNone: %v", err)
		}
	}
}

// blockWorker keeps the pool's only worker busy until release is called: the
// worker waits inside a job whose context asks a gate.
func blockWorker(t *testing.T, p *Pool) (release func()) {
	t.Helper()
	g := &gate{Context: context.Background(), entered: make(chan struct{}), open: make(chan struct{})}
	j := &job{ctx: g, compare: true, answer: make(chan answer, 1)}
	if err := p.enqueue(j); err != nil {
		t.Fatal(err)
	}
	<-g.entered
	return sync.OnceFunc(func() { close(g.open) })
}

type gate struct {
	context.Context //nolint:containedctx // a context itself
	entered, open   chan struct{}
}

func (g *gate) Err() error {
	close(g.entered)
	<-g.open
	return nil
}

func TestFullQueueIsBusy(t *testing.T) {
	t.Parallel()
	p := newPool(t, Options{Workers: 1, Queue: 2})
	release := blockWorker(t, p)
	defer release()
	var done sync.WaitGroup
	for range 2 {
		j := &job{ctx: t.Context(), password: []byte("x"), answer: make(chan answer, 1)}
		if err := p.enqueue(j); err != nil {
			t.Fatalf("queue is full too early: %v", err)
		}
		done.Go(func() {
			if a := <-j.answer; a.err != nil {
				t.Errorf("queued password failed: %v", a.err)
			}
		})
	}
	if got := p.Queued(); got != 2 {
		t.Errorf("Queued() = %d, want 2", got)
	}
	_, err := p.Hash(t.Context(), "Secret123!")
	if app.CodeOf(err) != app.CodeBusy || app.ReasonOf(err) != app.ReasonBcryptBusy {
		t.Errorf("third password: %v, want busy", err)
	}
	release()
	done.Wait()
	if _, err := p.Hash(t.Context(), "Secret123!"); err != nil {
		t.Errorf("after the rush: %v", err)
	}
}

func TestContextEndsTheWaitInTheQueue(t *testing.T) {
	t.Parallel()
	p := newPool(t, Options{Workers: 1, Queue: 4})
	release := blockWorker(t, p)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := p.Compare(ctx, "$2b$04$a4otCVbxw7D1PbQjkV9AfueABuOYG6Z.0pYd74IpZYBjSAgQdjdcm", "x")
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want cancelled", err)
	}
	if _, err := p.Hash(ctx, "Secret123!"); !errors.Is(err, context.Canceled) {
		t.Errorf("a dead context is queued: %v", err)
	}
}

func TestCloseFinishesTheQueueAndRefusesMore(t *testing.T) {
	t.Parallel()
	p := newPool(t, Options{Workers: 1, Queue: 8})
	release := blockWorker(t, p)
	defer release()
	var jobs []*job
	for range 5 {
		j := &job{ctx: t.Context(), password: []byte("x"), answer: make(chan answer, 1)}
		if err := p.enqueue(j); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.Close()
	}()
	release()
	<-closed
	for i, j := range jobs {
		select {
		case a := <-j.answer:
			if a.err != nil || a.hash == "" {
				t.Errorf("job %d: %+v, want a hash", i, a)
			}
		default:
			t.Errorf("job %d was dropped", i)
		}
	}
	_, err := p.Hash(t.Context(), "Secret123!")
	if app.CodeOf(err) != app.CodeBusy || app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("after Close: %v, want shutting down", err)
	}
	p.Close()
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	p := newPool(t, Options{Workers: 3, Queue: 64, Nice: 5})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			pw := strings.Repeat("x", i+1)
			hash, err := p.Hash(t.Context(), pw)
			if err != nil {
				t.Errorf("hash %d: %v", i, err)
				return
			}
			if same, err := p.Compare(t.Context(), hash, pw); err != nil || !same {
				t.Errorf("compare %d: %v, %v", i, same, err)
			}
		})
	}
	all.Wait()
}

// Not parallel: GOMAXPROCS belongs to the process.
func TestRaiseProcs(t *testing.T) { //nolint:paralleltest // see above
	before := runtime.GOMAXPROCS(0)
	restore := RaiseProcs(3)
	if got := runtime.GOMAXPROCS(0); got != before+3 {
		t.Errorf("GOMAXPROCS %d, want %d", got, before+3)
	}
	restore()
	restore()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("restored to %d, want %d", got, before)
	}
	RaiseProcs(0)()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("raised by none to %d, want %d", got, before)
	}
}

func BenchmarkCompare(b *testing.B) {
	const hash = "$2b$04$a4otCVbxw7D1PbQjkV9AfueABuOYG6Z.0pYd74IpZYBjSAgQdjdcm"
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("Secret123!")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pool", func(b *testing.B) {
		p := newPool(b, Options{Workers: 1, Queue: 8})
		for b.Loop() {
			if same, err := p.Compare(b.Context(), hash, "Secret123!"); err != nil || !same {
				b.Fatal(same, err)
			}
		}
	})
}
