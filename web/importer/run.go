package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/client"
)

// hopeless is how many rows may fail before the first success; then the rest
// is not tried.
const hopeless = 20

// Config says what to import and where to.
type Config struct {
	Client      *client.Client // nil only in a dry run
	Circuit     string         // UUID of the circuit
	Namespace   string         // of every identifier, one of app.Namespaces
	Source      io.Reader      // the file
	Size        int64          // its bytes, for the progress display; 0 when not known
	Concurrency int            // requests in parallel; default 8
	StatePath   string         // "" to keep none
	DryRun      bool           // only check the rows
	Progress    io.Writer      // nil for no display
	Today       time.Time      // dates of birth after it are refused; default now
}

func (c *Config) validate() error {
	if !slices.Contains(app.Namespaces, c.Namespace) {
		return fmt.Errorf("namespace %q: want one of %s", c.Namespace, strings.Join(app.Namespaces, ", "))
	}
	if c.Concurrency == 0 {
		c.Concurrency = 8
	}
	if c.Concurrency < 1 || c.Concurrency > 256 {
		return fmt.Errorf("concurrency %d: want 1 to 256", c.Concurrency)
	}
	if c.Today.IsZero() {
		c.Today = time.Now()
	}
	if c.DryRun && c.Circuit == "" {
		return nil
	}
	id, err := uuid.Parse(c.Circuit)
	if err != nil {
		return fmt.Errorf("circuit %q is not a UUID", c.Circuit)
	}
	c.Circuit = id.String()
	return nil
}

// Run imports the file. The summary is not nil once rows were read, also when
// the import ended early with an error; rows that failed are not an error.
// When ctx ends, what is under way is dropped and counted as not sent:
// running again repeats it without harm.
func Run(ctx context.Context, c Config) (*Summary, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	src, header, err := openRecords(c.Source)
	if err != nil {
		return nil, err
	}
	cols, err := readColumns(header)
	if err != nil {
		return nil, err
	}
	user := ""
	if !c.DryRun {
		if user, err = preflight(ctx, c); err != nil {
			return nil, err
		}
	}
	r := &run{
		client: c.Client, circuit: c.Circuit, dry: c.DryRun,
		rows:  &reader{cols: cols, namespace: c.Namespace, scope: user + "|" + c.Circuit, today: c.Today},
		order: newOrder(),
	}
	r.tally.sum = Summary{DryRun: c.DryRun, IgnoredColumns: cols.ignored}
	if c.StatePath != "" && !c.DryRun {
		r.state, err = openState(c.StatePath, stateHead{Version: 1, Server: c.Client.URL(), Circuit: c.Circuit, User: user})
		if err != nil {
			return nil, err
		}
	}
	if c.Progress != nil {
		r.progress = newProgress(c.Progress, c.Size)
	}
	err = r.all(ctx, src, c.Concurrency)
	r.progress.close()
	return r.tally.result(), errors.Join(err, r.state.close())
}

// preflight finds out who the caller is and that the circuit is there, before
// a thousand rows get the same refusal.
func preflight(ctx context.Context, c Config) (string, error) {
	var me struct {
		UserID string `json:"user_id"`
	}
	if err := c.Client.Call(ctx, http.MethodGet, "/users/me/profile", nil, &me); err != nil {
		return "", err
	}
	if me.UserID == "" {
		return "", errors.New("the server does not say who the caller is")
	}
	return me.UserID, c.Client.Call(ctx, http.MethodGet, "/api/circuits/"+c.Circuit, nil, nil)
}

// run is one import under way.
type run struct {
	client   *client.Client
	circuit  string
	dry      bool
	rows     *reader
	state    *state
	progress *progress
	tally    tally
	order    *order
}

// all reads the rows in this goroutine and sends them from n others.
func (r *run) all(parent context.Context, src *records, n int) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	jobs := make(chan *job, n)
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for j := range jobs {
				if err := r.do(ctx, j); err != nil {
					stop(err)
				}
			}
		})
	}
	err := r.read(ctx, src, jobs)
	close(jobs)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil {
		return nil
	}
	if parent.Err() != nil && errors.Is(err, context.Cause(parent)) {
		err = errors.New("interrupted; run it again to go on")
	}
	r.tally.count(func(s *Summary) { s.StoppedBy = err.Error() })
	return err
}

// read turns the file into jobs until it ends or ctx does.
func (r *run) read(ctx context.Context, src *records, jobs chan<- *job) error {
	for ctx.Err() == nil {
		rec, err := src.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.tally.count(func(s *Summary) { s.Read++ })
		a, reason := animal{}, rec.problem
		if reason == "" {
			a, reason = r.rows.animal(rec)
		}
		if reason != "" {
			r.progress.row(rec.end, r.tally.count(func(s *Summary) {
				s.Refused++
				s.RefusedRows = keep(s.RefusedRows, rec.line, reason)
			}))
			continue
		}
		if r.dry {
			r.progress.row(rec.end, r.tally.count(func(s *Summary) { s.Valid++ }))
			continue
		}
		if r.state.has(a) {
			r.progress.row(rec.end, r.tally.count(func(s *Summary) { s.Skipped++ }))
			continue
		}
		jobs <- r.order.hold(a)
	}
	return nil
}

// do sends one row. An error ends the import.
func (r *run) do(ctx context.Context, j *job) error {
	defer r.order.release(j)
	for _, prev := range j.after {
		<-prev.done
	}
	if ctx.Err() != nil {
		r.tally.count(func(s *Summary) { s.Unsent++ })
		return nil
	}
	status, err := r.push(ctx, j.animal)
	if ctx.Err() != nil && err != nil {
		r.tally.count(func(s *Summary) { s.Unsent++ })
		return nil
	}
	now := r.tally.count(func(s *Summary) {
		switch {
		case err != nil:
			s.Failed++
			s.FailedRows = keep(s.FailedRows, j.animal.line, reasonOf(err))
		case status == "NewItemCreated":
			s.Created++
		default:
			s.Enriched++
		}
	})
	r.progress.row(j.animal.end, now)
	if err != nil {
		return fatal(err, now)
	}
	return r.state.add(j.animal)
}

// push makes the one call of a row.
func (r *run) push(ctx context.Context, a animal) (string, error) {
	var out struct {
		Data struct {
			Status string `json:"status"`
		} `json:"data"`
	}
	err := r.client.Call(ctx, http.MethodPost, "/api/circuits/"+r.circuit+"/push-local", json.RawMessage(a.body), &out)
	if err != nil {
		return "", err
	}
	switch out.Data.Status {
	case "NewItemCreated", "ExistingItemEnriched":
		return out.Data.Status, nil
	default:
		return "", fmt.Errorf("answered with status %q", out.Data.Status)
	}
}

// fatal says whether a failed row ends the import: the credential is not
// taken any more, or nothing has succeeded yet.
func fatal(err error, s Summary) error {
	var answer *client.Error
	if errors.As(err, &answer) && answer.Status == http.StatusUnauthorized {
		return fmt.Errorf("stopped: %w", err)
	}
	if s.Failed >= hopeless && s.Created+s.Enriched == 0 {
		return fmt.Errorf("stopped: the first %d rows failed, the last with: %w", s.Failed, err)
	}
	return nil
}

// reasonOf is a failed row's reason, without the address that all rows share.
func reasonOf(err error) string {
	var answer *client.Error
	if errors.As(err, &answer) {
		return fmt.Sprintf("%d %s", answer.Status, answer.Text)
	}
	return err.Error()
}
