package circuits

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
)

// maxName bounds a circuit's name, in characters (contract 03 R10).
const maxName = 255

// maxDescription bounds a circuit's description, in bytes.
const maxDescription = 64 << 10

// NewCircuit is the input of Create. Nil members are absent.
type NewCircuit struct {
	Name             string
	Description      string
	DefaultNamespace string // "" for "generic"
	Adapter          *AdapterChoice
	Alias            *app.AliasConfig
	AllowPublic      bool
	Public           *PublicInput
	ApprovePush      bool
	ApprovePull      bool
}

// AdapterChoice says where a circuit shall store its items.
type AdapterChoice struct {
	Type                app.AdapterType // "" for none
	RequiresApproval    bool
	AutoMigrateExisting bool
	SponsorAccess       bool
}

// Create stores a circuit whose owner and first member is the caller. Not
// idempotent: each call makes a circuit.
//
// Errors: ReasonInvalidCircuit, ReasonPublicSettings (422),
// ReasonAdapterAccess (the caller's tier), ReasonAdapterMissing;
// ReasonTierLimit and ReasonInsufficientCredits where they are enforced.
func (s *Service) Create(ctx context.Context, who app.Actor, in NewCircuit) (View, error) {
	now := s.env.Now()
	c := &app.Circuit{
		ID: s.env.NewID(), Name: in.Name, Description: in.Description, OwnerID: who.UserID,
		DefaultNamespace: in.DefaultNamespace, CreatedAt: now, ModifiedAt: now, Status: app.CircuitActive,
		Permissions: app.CircuitPermissions{
			RequireApprovalForPush: in.ApprovePush,
			RequireApprovalForPull: in.ApprovePull,
			AllowPublicVisibility:  in.AllowPublic || in.Public != nil,
		},
		Alias:   in.Alias,
		Adapter: app.CircuitAdapter{ConfiguredBy: "system", ConfiguredAt: now},
	}
	if err := checkNew(c); err != nil {
		return View{}, app.Invalid(app.ReasonInvalidCircuit, "Failed to create circuit: Validation error: %s", err)
	}
	if in.Adapter != nil {
		if err := mayConfigure(who.Tier, in.Adapter.Type); err != nil {
			return View{}, err
		}
		c.Adapter = app.CircuitAdapter{
			Type: in.Adapter.Type, ConfiguredBy: who.UserID, ConfiguredAt: now,
			RequiresApproval: in.Adapter.RequiresApproval, AutoMigrateExisting: in.Adapter.AutoMigrateExisting,
			SponsorAccess: in.Adapter.SponsorAccess,
		}
	}
	if in.Public != nil {
		var err error
		if c.Public, err = s.newPublic(ctx, *in.Public); err != nil {
			return View{}, err
		}
	}
	c.Members = []app.CircuitMember{{
		UserID: who.UserID, Role: app.RoleOwner, Permissions: app.RolePermissions(app.RoleOwner), JoinedAt: now,
	}}
	c.Roles = s.seededRoles(c)

	err := s.store.Write(ctx, func(tx app.Tx) error {
		err := s.quota.Take(tx, who, quota.Work{
			Operation: app.TierCreateCircuits, Cost: app.CreditCircuitOperation, ID: c.ID.String(),
		})
		if err != nil {
			return err
		}
		if err := tx.Circuits().Insert(c); err != nil {
			return err
		}
		return tx.Activities().InsertUser(app.UserActivity{
			ID: s.env.NewID(), UserID: who.UserID, WorkspaceID: who.WorkspaceID, At: now,
			Type: "Create", Category: "Circuits", ResourceType: "Circuit", ResourceID: c.ID.String(),
			Action: "create_circuit", Description: "Created circuit: " + c.Name, Success: true,
			Address: who.Address, Agent: who.Agent,
		})
	})
	if err != nil {
		return View{}, err
	}
	return s.view(c, who), nil
}

// newPublic is the public face of a new circuit.
func (s *Service) newPublic(ctx context.Context, in PublicInput) (*app.PublicSettings, error) {
	out, err := publicSettings(in, nil)
	if err != nil {
		return nil, err
	}
	if len(in.PublishedItems) > 0 {
		return nil, publicError("Published items must be items of the circuit", map[string]any{
			"field": "published_items", "issue": "a new circuit holds no items; push them first, then publish them",
		})
	}
	out.PasswordHash, err = s.hashPassword(ctx, in)
	return out, err
}

// checkNew says in words what is wrong with a new circuit, and fills in its
// namespace.
func checkNew(c *app.Circuit) error {
	if err := checkTexts(c.Name, c.Description); err != nil {
		return err
	}
	if c.DefaultNamespace == "" {
		c.DefaultNamespace = app.DefaultNamespace
	}
	if !slices.Contains(app.Namespaces, c.DefaultNamespace) {
		return errors.New("default_namespace must be one of " + strings.Join(app.Namespaces, ", "))
	}
	return checkAliasLists(c.Alias)
}

// checkTexts says in words what is wrong with a circuit's texts.
func checkTexts(name, description string) error {
	switch {
	case utf8.RuneCountInString(name) > maxName:
		return errors.New("name is longer than 255 characters")
	case len(description) > maxDescription:
		return errors.New("description is longer than 65536 bytes")
	case strings.ContainsRune(name, 0) || strings.ContainsRune(description, 0):
		return errors.New("name and description must not contain U+0000")
	default:
		return nil
	}
}

// mayConfigure applies contract 04 §9.5: the tier decides, and the server must
// have the back end.
func mayConfigure(tier app.Tier, a app.AdapterType) error {
	const prefix = "Failed to set adapter config: "
	if !tier.MaySelect(a) {
		return app.Forbidden(app.ReasonAdapterAccess,
			prefix+"Permission denied: Your tier (%s) does not have access to the %s adapter. Please upgrade your tier or contact an administrator.",
			strings.ToLower(string(tier)), a.DebugName())
	}
	if !available(a) {
		return app.Invalid(app.ReasonAdapterMissing,
			prefix+"Validation error: The %s adapter is not configured on this server; choose none or ipfs-ipfs", a.DebugName())
	}
	return nil
}

// available reports whether this server can store through the adapter. The
// IPFS one needs no network: documents are kept as blocks in the database.
func available(a app.AdapterType) bool { return !a.Set() || a == app.AdapterIPFS }

func (s *Service) seededRoles(c *app.Circuit) []app.CustomRole {
	role := func(r app.MemberRole, description, color string) app.CustomRole {
		return app.CustomRole{
			ID: s.env.NewID(), Name: string(r), Permissions: app.RolePermissions(r), Description: description,
			Color: color, CreatedAt: c.CreatedAt, CreatedBy: "system", IsDefault: true,
		}
	}
	return []app.CustomRole{
		role(app.RoleOwner, "Circuit owner with full permissions", "#gold"),
		role(app.RoleMember, "Default member role", "#gray"),
	}
}

// ParseID reads a circuit id; the error is the contract's.
func ParseID(id uuid.UUID, ok bool) (uuid.UUID, error) {
	if !ok {
		return uuid.UUID{}, app.Invalid(app.ReasonBadCircuitID, "Invalid circuit ID format")
	}
	return id, nil
}
