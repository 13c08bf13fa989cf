package circuits

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Activities lists a circuit's history to its members, newest first. Who is no
// member gets an empty list, whether there is such a circuit or not (contract 03
// §6.2).
func (s *Service) Activities(ctx context.Context, who app.Actor, id uuid.UUID, p app.Page) ([]app.CircuitActivity, error) {
	v, err := s.Get(ctx, who, id)
	if app.ReasonOf(err) == app.ReasonCircuitNotFound {
		return nil, nil
	}
	if err != nil || !v.Member {
		return nil, err
	}
	var list []app.CircuitActivity
	err = s.store.Read(ctx, func(r app.Reader) (err error) {
		list, err = r.Activities().OfCircuit(v.Row, p)
		return err
	})
	return list, err
}
