package items

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
)

const (
	// MaxBatch is how many elements one batch takes.
	MaxBatch = 10_000
	// batchPiece is how many of them share a job of the writer: about five
	// milliseconds, so that nobody behind them waits long.
	batchPiece = 32
)

// BatchResult is what became of one element: an item, or the error.
type BatchResult struct {
	Item *app.Item
	Err  error
}

// CreateBatch is Create for many, in their order: later elements find what
// earlier ones made. It is not one change: every element succeeds or fails by
// itself. bad holds the errors of elements that are known to be wrong; they are
// reported in their places.
//
// Errors: ReasonBatchTooLarge; ReasonTierLimit where tiers are enforced. An
// error of the server (busy, disk full) before anything was done is returned;
// later it is the result of the elements that it hit and of all behind them.
func (s *Service) CreateBatch(ctx context.Context, who app.Actor, list []Input, bad map[int]error) ([]BatchResult, error) {
	if len(list) > MaxBatch {
		return nil, app.Invalid(app.ReasonBatchTooLarge, "Validation error: %d items given; one batch takes at most %d", len(list), MaxBatch)
	}
	if err := s.allowBatch(ctx, who, len(list)); err != nil {
		return nil, err
	}
	t := s.tracing(who)
	results := make([]BatchResult, len(list))
	for from := 0; from < len(list); from += batchPiece {
		to := min(from+batchPiece, len(list))
		err := s.store.Write(ctx, func(tx app.Tx) error {
			for i := from; i < to; i++ {
				results[i] = BatchResult{}
				if err := bad[i]; err != nil {
					results[i].Err = err
				} else if err := t.element(tx, list[i], &results[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && from == 0 {
			return nil, err // nothing was done
		}
		if err != nil {
			for i := from; i < len(list); i++ {
				results[i] = BatchResult{Err: err}
			}
			break
		}
	}
	return results, nil
}

// element creates one item of a batch. The error is one that ends the batch.
func (t *tracing) element(tx app.Tx, in Input, result *BatchResult) error {
	var out outcome
	err := tx.Try(func() (err error) {
		if err := app.CheckIdentifiers(in.Identifiers); err != nil {
			return err
		}
		out, err = t.create(tx, in)
		return err
	})
	switch app.CodeOf(err) {
	case "":
		result.Item, result.Err = out.item, out.refusal()
		return nil
	case app.CodeInternal, app.CodeBusy, app.CodeStorageFull:
		return err
	default:
		result.Err = err
		return nil
	}
}

// allowBatch takes a bulk operation from the tier's allowance.
func (s *Service) allowBatch(ctx context.Context, who app.Actor, n int) error {
	if n == 0 || !s.quota.LimitsTiers() {
		return nil
	}
	return s.store.Write(ctx, func(tx app.Tx) error {
		return s.quota.Take(tx, who, quota.Work{Operation: app.TierBulkOperations})
	})
}
