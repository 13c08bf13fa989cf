package binarytest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

var (
	crashRounds = flag.Int("crash.rounds", 3, "how often TestCrash kills the server")
	crashSeed   = flag.Uint64("crash.seed", 0, "seed of TestCrash; 0: a new one")
)

// TestCrash kills the server at a random moment while eight clients write,
// again and again on the same data directory, and wants every answered write
// back, a sound file and no half-done work.
func TestCrash(t *testing.T) {
	t.Parallel()
	rounds, seed := *crashRounds, *crashSeed
	if testing.Short() {
		rounds = 1
	}
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d rounds, -crash.seed=%d", rounds, seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir() + "/data"
	var f farm
	var herd []*animal
	for round := range rounds {
		p := serve(t, nil, "--data-dir", dir)
		if round == 0 {
			f = newFarm(t, p.ready.URL)
		}
		// After so many answers; the other clients are somewhere in the
		// middle of a request then.
		left := atomic.Int64{}
		left.Store(int64(1 + rng.IntN(300)))
		herders := crowd(t, p.ready.URL, f, round, 8, seed, func() {
			if left.Add(-1) == 0 {
				// It may be gone before this call returns.
				_ = p.cmd.Process.Kill()
			}
		})
		p.kill()
		if code := p.cmd.ProcessState.ExitCode(); code != -1 {
			t.Fatalf("round %d: the server ended by itself with status %d\n%s", round, code, p.log.String())
		}
		before := len(herd)
		for _, h := range herders {
			herd = append(herd, h.herd...)
		}
		wantSound(t, dir)

		p = serve(t, nil, "--data-dir", dir)
		c := newClient(t, p.ready.URL, f.token)
		for _, a := range herd {
			wantKept(t, c, a)
		}
		// What was not answered is sent again, as a client does.
		for _, a := range herd[before:] {
			if a.pending == "" {
				continue
			}
			var out pushed
			mustCall(t, c, http.MethodPost, "/api/circuits/"+f.circuit+"/push-local", a.pending, &out)
			if a.dfid != "" && a.dfid != out.Data.DFID {
				t.Errorf("%s was %s and is %s when it is pushed again", a.sisbov, a.dfid, out.Data.DFID)
			}
			a.dfid, a.pending = out.Data.DFID, ""
		}
		wantDistinct(t, herd)
		p.terminate()
		p.wantCleanEnd()
		wantSound(t, dir)
		t.Logf("round %d: %d animals, %d in this round", round, len(herd), len(herd)-before)
	}
}

// wantDistinct checks that no DFID was given twice: the counter is durable.
func wantDistinct(t *testing.T, herd []*animal) {
	t.Helper()
	seen := map[string]string{}
	for _, a := range herd {
		if a.dfid == "" {
			continue
		}
		if other := seen[a.dfid]; other != "" {
			t.Errorf("%s is the DFID of %s and of %s", a.dfid, other, a.sisbov)
		}
		seen[a.dfid] = a.sisbov
	}
	if len(seen) == 0 && len(herd) > 100 {
		t.Error(fmt.Errorf("none of %d animals was pushed: the test tests nothing", len(herd)))
	}
}
