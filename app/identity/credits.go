package identity

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
)

// CreditHistory lists the caller's transactions, newest first, and gives his
// balance. Errors: ReasonUserNotFound, CodeBusy.
func (s *Service) CreditHistory(ctx context.Context, who app.Actor, p app.Page) (list []app.CreditTransaction, balance int64, err error) {
	err = s.store.Read(ctx, func(r app.Reader) error {
		u, err := r.Users().ByID(who.UserID)
		if err != nil {
			return err
		}
		balance = u.Credits
		list, err = r.Credits().ByUser(who.UserID, p)
		return err
	})
	return list, balance, err
}

// ChargeRequest charges the caller for one request, where requests cost his
// tier something and credits are enforced. It has a write of its own, because
// most requests have none.
//
// Errors: ReasonInsufficientCredits (402), ReasonUserNotFound, CodeBusy.
func (s *Service) ChargeRequest(ctx context.Context, who app.Actor) error {
	if !s.charges.Charges() || who.Tier.Costs().APIRequest == 0 {
		return nil
	}
	id := s.env.NewID().String()
	return s.store.Write(ctx, func(tx app.Tx) error {
		return s.charges.Take(tx, who, quota.Work{Cost: app.CreditAPIRequest, ID: id})
	})
}
