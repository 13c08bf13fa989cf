package identity

import (
	"time"

	"github.com/defarm-repo/defarm/app"
)

// deed is the fixed part of an activity record (contract 05 §5.4).
type deed struct {
	kind, category, resource, action, description string
}

var (
	activityLogin    = deed{"Login", "Authentication", "User", "login", "User logged in"}
	activityLogout   = deed{"Logout", "Authentication", "User", "logout", "User logged out"}
	activityForgot   = deed{"Update", "Authentication", "User", "forgot_password", "Password reset requested"}
	activityReset    = deed{"Update", "Authentication", "User", "reset_password", "Password reset"}
	activityRegister = deed{"Create", "Authentication", "User", "register", "User registered"}
)

// activity records what an account did to itself.
func (s *Service) activity(u *app.User, from Client, now time.Time, d deed) app.UserActivity {
	a := app.UserActivity{
		ID:           s.env.NewID(),
		UserID:       u.ID,
		WorkspaceID:  u.WorkspaceID,
		At:           now,
		Type:         d.kind,
		Category:     d.category,
		ResourceType: d.resource,
		ResourceID:   u.ID,
		Action:       d.action,
		Description:  d.description,
		Success:      true,
		Agent:        from.Agent,
	}
	if from.Address.IsValid() {
		a.Address = from.Address.String()
	}
	return a
}
