package loadtest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/defarm-repo/defarm/web/client"
)

// grace is how long requests under way may still take after an interrupt.
const grace = 2 * time.Second

// Run does a load test. It fails only when the test could not be set up; an
// end of ctx during the test cuts it short and leaves a report of what was
// measured.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Transport == nil {
		t := client.NewTransport(c.Clients)
		defer t.CloseIdleConnections()
		c.Transport = t
	}
	nobody, err := client.New(client.Options{URL: c.URL, Timeout: c.Timeout, Transport: c.Transport, UserAgent: "defarm-loadtest"})
	if err != nil {
		return nil, err
	}
	c.logf("target %s, scenario %s, %d clients\n", nobody.URL(), c.Scenario, c.Clients)
	stage, err := setup(ctx, &c, nobody)
	if err != nil {
		return nil, err
	}
	r := &runner{config: c, stage: stage, step: stepOf(&c), rec: newRecorder()}
	return r.report(ctx), nil
}

// runner is one test under way.
type runner struct {
	config Config
	stage  *stage
	step   step
	rec    *recorder
	next   atomic.Int64 // of the users of unique logins
}

// report runs the warm-up and the test.
func (r *runner) report(ctx context.Context) *Report {
	c := r.config
	// A warm-up of unique logins would use the users up.
	if c.Warmup > 0 && !c.Unique {
		c.logf("warming up for %s\n", c.Warmup)
		r.phase(ctx, c.Warmup, 0, false)
		r.rec.reset()
	}
	rep := &Report{
		Target: r.stage.nobody.URL(), Scenario: c.Scenario, Clients: c.Clients, Rate: c.Rate, Started: time.Now().UTC(),
	}
	elapsed := r.phase(ctx, c.Duration, c.Iterations, true)
	rep.Interrupted = ctx.Err() != nil
	rep.fill(r.rec, elapsed)
	return rep
}

// phase lets the clients work until limit or iterations are reached (0 for no
// such bound) or ctx ends, and returns the time from its start to the last
// answer.
func (r *runner) phase(ctx context.Context, limit time.Duration, iterations int64, measured bool) time.Duration {
	start := time.Now()
	working, stop := context.WithCancel(ctx)
	defer stop()
	if limit > 0 {
		working, stop = context.WithTimeout(ctx, limit)
		defer stop()
	}
	answers, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	release := context.AfterFunc(ctx, func() { time.AfterFunc(grace, giveUp) })
	defer release()

	var clients, side sync.WaitGroup
	p := &pace{start: start, rate: r.config.Rate, most: iterations}
	for i := range r.config.Clients {
		w := r.worker(answers, uint64(i))
		clients.Go(func() { r.work(working, w, p) })
	}
	sideCtx, stopSide := context.WithCancel(working)
	side.Go(func() { r.live(sideCtx, start) })
	if measured && r.config.ProbeReads > 0 {
		side.Go(func() { r.probe(sideCtx, answers, start) })
	}
	clients.Wait()
	elapsed := time.Since(start)
	stopSide()
	side.Wait()
	return elapsed
}

func (r *runner) worker(ctx context.Context, n uint64) *worker {
	return &worker{
		stage: r.stage, ctx: ctx, keep: r.rec.add, next: &r.next,
		rng: rand.New(rand.NewPCG(n, 1)), // the same mixture every time
	}
}

// work is the loop of one client.
func (r *runner) work(ctx context.Context, w *worker, p *pace) {
	for {
		due, ok := p.next(ctx)
		if !ok {
			return
		}
		w.due = due
		if !r.step(w) {
			return
		}
	}
}

// pace hands out iterations: as fast as they are asked for, or at a rate that
// all clients share.
type pace struct {
	start   time.Time
	rate    float64 // per second; 0 for no bound
	most    int64   // iterations; 0 for no bound
	started atomic.Int64
}

// next waits until an iteration is due. The time is zero without a rate;
// false means that the phase is over.
func (p *pace) next(ctx context.Context) (time.Time, bool) {
	if ctx.Err() != nil {
		return time.Time{}, false
	}
	n := p.started.Add(1) - 1
	if p.most > 0 && n >= p.most {
		return time.Time{}, false
	}
	if p.rate == 0 {
		return time.Time{}, true
	}
	due := p.start.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	return due, waitUntil(ctx, due)
}

// waitUntil reports false when ctx ended first.
func waitUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// probe reads one item at a fixed rate over its own connection while the
// clients work: what somebody who only looks something up sees of the load.
func (r *runner) probe(ctx, answers context.Context, start time.Time) {
	transport := r.config.Transport
	if t, ok := transport.(*http.Transport); ok {
		own := t.Clone()
		defer own.CloseIdleConnections()
		transport = own
	}
	c, err := client.New(client.Options{
		URL: r.config.URL, Timeout: r.config.Timeout, Transport: transport, UserAgent: "defarm-loadtest-probe",
	})
	if err != nil { // the same URL as the clients'
		return
	}
	c = c.WithCredential(r.stage.credential)
	p := &pace{start: start, rate: r.config.ProbeReads}
	var all sync.WaitGroup
	for i := range probesInFlight {
		all.Go(func() {
			w := r.worker(answers, 1<<32+uint64(i))
			for {
				due, ok := p.next(ctx)
				if !ok {
					return
				}
				w.due = due
				dfid := r.stage.dfids[w.rng.IntN(len(r.stage.dfids))]
				w.send(probeOperation, c, http.MethodGet, "/api/items/"+dfid, nil)
			}
		})
	}
	all.Wait()
}

// probesInFlight is how many probe reads may wait for their answers. One after
// the other, slow answers would hold up those that are due, and the probe would
// measure its own queue.
const probesInFlight = 32

// live prints a line each second.
func (r *runner) live(ctx context.Context, start time.Time) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	last := start
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			s, all := r.rec.tick()
			o := operation("", s, now.Sub(last))
			last = now
			r.config.logf("%4.0f s  %8.1f req/s  %d in all  %d errors  P50 %s ms  P99 %s ms  max %s ms\n",
				now.Sub(start).Seconds(), o.Throughput, all, o.Errors, millis(o.P50), millis(o.P99), millis(o.Max))
		}
	}
}
