package demo

import (
	"time"

	"github.com/defarm-repo/defarm/app"
)

// Account is a development account. Its password is public: it may exist only
// on a server that was started to be played with.
type Account struct {
	ID          string
	Username    string
	Password    string
	Email       string
	Tier        app.Tier
	IsAdmin     bool
	Credits     int64
	WorkspaceID string
	Age         time.Duration // how long ago it was created
	LastLogin   time.Duration // how long ago its last login was; 0: never
}

// Names of the accounts that the first circuit belongs to.
const (
	CircuitOwner = "cock-user-001"
	CircuitAdmin = "hen-admin-001"
)

// CircuitName is the name of the first circuit.
const CircuitName = "Demo herd circuit"

// CircuitNamespace is the namespace of the herd's identifiers.
const CircuitNamespace = "bovino"

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// Accounts lists the development accounts of contract 07 §10.2, chick
// included. Their passwords break the complexity rule on purpose; login does
// not check it.
func Accounts() []Account {
	return []Account{
		{ID: CircuitAdmin, Username: "hen", Password: "demo123", Email: "hen@defarm.com", Tier: app.TierAdmin, IsAdmin: true,
			Credits: 1_000_000, WorkspaceID: "hen-workspace"},
		{ID: "pullet-user-001", Username: "pullet", Password: "demo123", Email: "pullet@defarm.io", Tier: app.TierProfessional,
			Credits: 5_000, WorkspaceID: "pullet-workspace", Age: 15 * day, LastLogin: 3 * hour},
		{ID: CircuitOwner, Username: "cock", Password: "demo123", Email: "cock@defarm.io", Tier: app.TierEnterprise,
			Credits: 50_000, WorkspaceID: "cock-workspace", Age: 60 * day, LastLogin: hour},
		{ID: "basic-farmer-001", Username: "basic_farmer", Password: "demo123", Email: "basic@farm.com", Tier: app.TierBasic,
			Credits: 100, WorkspaceID: "basic-workspace", LastLogin: 2 * day},
		{ID: "pro-farmer-001", Username: "pro_farmer", Password: "demo123", Email: "pro@farm.com", Tier: app.TierProfessional,
			Credits: 5_000, WorkspaceID: "pro-workspace", Age: 30 * day, LastLogin: 6 * hour},
		{ID: "enterprise-farmer-001", Username: "enterprise_farmer", Password: "demo123", Email: "enterprise@farm.com",
			Tier: app.TierEnterprise, Credits: 50_000, WorkspaceID: "enterprise-workspace", Age: 90 * day, LastLogin: hour},
		{ID: "97b51073-0ec5-40f9-822a-ea93ed1ec008", Username: "chick", Password: "Demo123!", Email: "chick@defarm.io",
			Tier: app.TierBasic, Credits: 100, WorkspaceID: "chick-workspace"},
	}
}
