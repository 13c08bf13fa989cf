package db

import (
	"context"
	"log/slog"
	"time"

	"github.com/defarm-repo/defarm/app"
)

const (
	// indexEvery is how often the indexer looks for changes.
	indexEvery = 2 * time.Second
	// indexPiece is how many changes one of its writes takes in.
	indexPiece = 64
	// indexRest is how many times as long as a write took the indexer rests
	// when others wrote meanwhile.
	indexRest = 20
)

// indexer owns the goroutine that keeps the search index near the items, so that
// searches have little to catch up with. Its writes queue like any other; a
// queue that is full only makes it come later, and while others write it takes a
// twentieth of the writer's time at most.
type indexer struct {
	d       *DB
	stop    context.CancelFunc
	stopped chan struct{}
}

func startIndexer(d *DB) *indexer {
	ctx, stop := context.WithCancel(context.Background())
	x := &indexer{d: d, stop: stop, stopped: make(chan struct{})}
	go x.serve(ctx)
	return x
}

func (x *indexer) serve(ctx context.Context) {
	defer close(x.stopped)
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := x.catchUp(ctx); err != nil && ctx.Err() == nil && app.CodeOf(err) != app.CodeBusy {
			x.d.o.Logger.Error("search index cannot be brought forward", slog.Any("error", err))
		}
	}
}

// catchUp indexes what is stored now.
func (x *indexer) catchUp(ctx context.Context) error {
	var behind app.SearchBacklog
	err := x.d.Read(ctx, func(r app.Reader) (err error) {
		behind, err = r.Items().SearchBacklog()
		return err
	})
	// Declared here: a loop variable is copied for each round, also when the
	// caller gave up on a write that still runs.
	done := behind == (app.SearchBacklog{})
	for err == nil && !done {
		var took time.Duration
		before := x.d.writer.ran.Load()
		err = x.d.Write(ctx, func(tx app.Tx) (err error) {
			began := x.d.o.Now()
			done, err = tx.Items().IndexSearch(behind, indexPiece)
			took = x.d.o.Now().Sub(began)
			return err
		})
		if others := x.d.writer.ran.Load()-before > 1; err == nil && !done && others {
			x.rest(ctx, indexRest*took)
		}
	}
	return err
}

func (x *indexer) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// close ends the goroutine; what it has not indexed waits in the database.
func (x *indexer) close() {
	x.stop()
	<-x.stopped
}
