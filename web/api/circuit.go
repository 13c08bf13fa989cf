package api

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

const circuitBusyText = "Storage temporarily unavailable"

// circuitHandlers serves circuits (contract 03 §1 and §6.1).
type circuitHandlers struct{ svc *circuits.Service }

func (h circuitHandlers) register(r *registrar) {
	post(r, "/api/circuits", scopeUser, h.create, tag("Circuits"), busyText(circuitBusyText),
		summary("Create a circuit"),
		describe("The caller becomes the owner and first member. With an adapter, item documents of this circuit are stored through it when items are pushed: choosing one publishes them there."))
	get(r, "/api/circuits", scopeUser, h.list, tag("Circuits"), busyText(circuitBusyText),
		summary("List my circuits and the public ones"))
	get(r, "/api/circuits/list", scopeUser, h.list, tag("Circuits"), busyText(circuitBusyText),
		summary("List my circuits and the public ones (older path)"))
	get(r, "/api/circuits/{id}", scopeUser, h.get, tag("Circuits"), busyText(circuitBusyText),
		summary("Read one circuit"),
		describe("Members and administrators see all of it; others see a public circuit without its members, roles and requests."))
	get(r, "/api/circuits/{id}/items", scopeUser, h.items, tag("Circuits"), busyText(circuitBusyText),
		summary("List a circuit's items, newest push first"))
}

// CircuitIDPath is the path of every route below one circuit.
type CircuitIDPath struct {
	ID string `path:"id" doc:"Circuit id (UUID)"`
}

func (p CircuitIDPath) circuitID() (uuid.UUID, error) {
	return circuits.ParseID(parseUUID(p.ID))
}

type createCircuitInput struct {
	Body struct {
		Name             string              `json:"name" doc:"At most 255 characters"`
		Description      string              `json:"description"`
		Adapter          *circuitAdapterJSON `json:"adapter_config,omitempty" doc:"Where item documents are stored; none when absent"`
		Alias            *aliasConfigJSON    `json:"alias_config,omitempty" doc:"Which identifiers a pushed item must carry"`
		AllowPublic      *bool               `json:"allow_public_visibility,omitempty"`
		Public           *publicInputJSON    `json:"public_settings,omitempty" doc:"The circuit's public face; makes the circuit public"`
		ApprovePush      *bool               `json:"require_approval_for_push,omitempty"`
		ApprovePull      *bool               `json:"require_approval_for_pull,omitempty"`
		DefaultNamespace *string             `json:"default_namespace,omitempty" doc:"Namespace of identifiers that name none; generic when absent"`
	}
}

type circuitAdapterJSON struct {
	Type        *string `json:"adapter_type,omitempty" example:"ipfs-ipfs"`
	Approval    bool    `json:"requires_approval,omitempty"`
	AutoMigrate bool    `json:"auto_migrate_existing,omitempty"`
	Sponsor     bool    `json:"sponsor_adapter_access,omitempty"`
}

type aliasConfigJSON struct {
	RequiredCanonical  []string `json:"required_canonical,omitempty" example:"[\"sisbov\"]"`
	RequiredContextual []string `json:"required_contextual,omitempty"`
	UseFingerprint     *bool    `json:"use_fingerprint,omitempty" doc:"true when absent"`
	AllowedNamespaces  []string `json:"allowed_namespaces,omitempty" doc:"All when absent"`
	AutoApplyNamespace *bool    `json:"auto_apply_namespace,omitempty" doc:"true when absent"`
}

type publicInputJSON struct {
	AccessMode        *string  `json:"access_mode,omitempty" doc:"public (or open), protected or scheduled; public when absent"`
	ScheduledDate     *string  `json:"scheduled_date,omitempty" doc:"RFC 3339; needed when scheduled"`
	AccessPassword    *string  `json:"access_password,omitempty" doc:"Needed when protected; kept as a bcrypt hash"`
	PublicName        *string  `json:"public_name,omitempty"`
	PublicDescription *string  `json:"public_description,omitempty"`
	PrimaryColor      *string  `json:"primary_color,omitempty"`
	SecondaryColor    *string  `json:"secondary_color,omitempty"`
	LogoURL           *string  `json:"logo_url,omitempty"`
	Tagline           *string  `json:"tagline,omitempty"`
	FooterText        *string  `json:"footer_text,omitempty"`
	PublishedItems    []string `json:"published_items,omitempty"`
	AutoApprove       *bool    `json:"auto_approve_members,omitempty"`
	AutoPublish       *bool    `json:"auto_publish_pushed_items,omitempty"`
	ShowEncrypted     *bool    `json:"show_encrypted_events,omitempty"`
	RequiredEvents    *string  `json:"required_event_types,omitempty"`
	QualityRules      *string  `json:"data_quality_rules,omitempty"`
	ExportPermissions *string  `json:"export_permissions,omitempty" doc:"admin, members or public"`
}

func (in *createCircuitInput) toApp() (circuits.NewCircuit, error) {
	b := &in.Body
	out := circuits.NewCircuit{
		Name: b.Name, Description: b.Description, DefaultNamespace: value(b.DefaultNamespace),
		AllowPublic: value(b.AllowPublic), ApprovePush: value(b.ApprovePush), ApprovePull: value(b.ApprovePull),
		Alias: b.Alias.toApp(), Public: b.Public.toApp(),
	}
	if b.Adapter != nil {
		out.Adapter = &circuits.AdapterChoice{
			RequiresApproval: b.Adapter.Approval, AutoMigrateExisting: b.Adapter.AutoMigrate, SponsorAccess: b.Adapter.Sponsor,
		}
		if b.Adapter.Type != nil {
			t, err := app.ParseAdapterType(*b.Adapter.Type)
			if err != nil {
				return out, app.NewError(app.CodeUnprocessable, app.ReasonShape,
					"Failed to deserialize the JSON body into the target type: adapter_config.adapter_type: %s", err)
			}
			out.Adapter.Type = t
		}
	}
	return out, nil
}

func (a *aliasConfigJSON) toApp() *app.AliasConfig {
	if a == nil {
		return nil
	}
	out := &app.AliasConfig{
		RequiredCanonical: a.RequiredCanonical, RequiredContextual: a.RequiredContextual,
		AllowedNamespaces: a.AllowedNamespaces, UseFingerprint: true, AutoApplyNamespace: true,
	}
	if a.UseFingerprint != nil {
		out.UseFingerprint = *a.UseFingerprint
	}
	if a.AutoApplyNamespace != nil {
		out.AutoApplyNamespace = *a.AutoApplyNamespace
	}
	return out
}

func (p *publicInputJSON) toApp() *circuits.PublicInput {
	if p == nil {
		return nil
	}
	return &circuits.PublicInput{
		AccessMode: p.AccessMode, ScheduledDate: p.ScheduledDate, AccessPassword: p.AccessPassword,
		PublicName: p.PublicName, PublicDescription: p.PublicDescription, PrimaryColor: p.PrimaryColor,
		SecondaryColor: p.SecondaryColor, LogoURL: p.LogoURL, Tagline: p.Tagline, FooterText: p.FooterText,
		PublishedItems: p.PublishedItems, AutoApprove: value(p.AutoApprove), AutoPublish: value(p.AutoPublish),
		ShowEncrypted: value(p.ShowEncrypted), RequiredEvents: p.RequiredEvents, QualityRules: p.QualityRules,
		ExportPermissions: p.ExportPermissions,
	}
}

// value is what an optional member holds, its zero value when absent.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func (h circuitHandlers) create(ctx context.Context, in *createCircuitInput) (*reply[circuitJSON], error) {
	wanted, err := in.toApp()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Create(ctx, actor(ctx), wanted)
	if err != nil {
		return nil, err
	}
	return respond(circuitFrom(v), nil)
}

type listCircuitsInput struct {
	PageQuery
	IncludePublic optionalBool `query:"include_public" doc:"Also list public circuits of others; true when absent"`
	Status        string       `query:"status" doc:"active, inactive or archived, in any case; an unknown one lists nothing"`
}

func (h circuitHandlers) list(ctx context.Context, in *listCircuitsInput) (*reply[[]circuitJSON], error) {
	f := circuits.ListFilter{IncludePublic: in.IncludePublic.or(true)}
	if in.Status != "" {
		switch f.Status = app.CircuitStatus(title(in.Status)); f.Status {
		case app.CircuitActive, app.CircuitInactive:
		default:
			return respond([]circuitJSON{}, nil)
		}
	}
	views, err := h.svc.List(ctx, actor(ctx), f, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]circuitJSON, len(views))
	for i, v := range views {
		out[i] = circuitFrom(v)
	}
	return respond(out, nil)
}

// title gives a word the PascalCase of the contract's enums.
func title(s string) string {
	return strings.ToUpper(s[:1]) + strings.ToLower(s[1:])
}

func (h circuitHandlers) get(ctx context.Context, in *CircuitIDPath) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Get(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return respond(circuitFrom(v), nil)
}

type circuitItemsInput struct {
	CircuitIDPath
	PageQuery
	IncludeEvents optionalBool `query:"include_events" doc:"Give each item's events too"`
}

func (h circuitHandlers) items(ctx context.Context, in *circuitItemsInput) (*reply[[]circuitItemJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	events := in.IncludeEvents.or(false)
	v, list, err := h.svc.Items(ctx, actor(ctx), id, events, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]circuitItemJSON, len(list))
	for i, it := range list {
		out[i] = circuitItemFrom(v, it, events)
	}
	return respond(out, nil)
}
