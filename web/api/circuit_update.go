package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// circuitUpdateHandlers changes circuits as a whole (contract 03 §1.3 and §1.5
// to §1.7).
type circuitUpdateHandlers struct{ svc *circuits.Service }

const managersOnly = "For the owner and members who hold `ManagePermissions`."

func (h circuitUpdateHandlers) register(r *registrar) {
	family := together(tag("Circuits"), busyText(circuitBusyText))
	get(r, "/api/circuits/member/{member_id}", scopeUser, h.ofMember, family,
		summary("List the circuits of a user"),
		describe("All of them to the user himself and to administrators; to others the public ones."))
	update := together(family, summary("Change a circuit's texts and switches"),
		describe("What is absent stays as it is, in PUT as in PATCH. "+managersOnly))
	patch(r, "/api/circuits/{id}", scopeUser, h.update, update)
	put(r, "/api/circuits/{id}", scopeUser, h.update, update)
	put(r, "/api/circuits/{id}/deactivate", scopeUser, h.deactivate, family, optionalBody(),
		summary("Stop all work in a circuit"),
		describe("What is in it is kept and stays readable; a body is ignored. "+managersOnly))
	put(r, "/api/circuits/{id}/reactivate", scopeUser, h.reactivate, family, optionalBody(),
		summary("Resume work in a circuit"),
		describe("A body is ignored. "+managersOnly))
	put(r, "/api/circuits/{id}/visibility/toggle", scopeUser, h.toggle, family, optionalBody(),
		summary("Make a private circuit public, or a public one private"),
		describe("The public settings are kept. For the owner, built-in Admins and members who hold `ManagePermissions`."))
	get(r, "/api/circuits/{id}/alias-config", scopeUser, h.alias, family,
		summary("Read which identifiers a pushed item must carry"),
		describe("For members; `data` is null when nothing is configured."))
	put(r, "/api/circuits/{id}/alias-config", scopeUser, h.setAlias, family,
		summary("Set which identifiers a pushed item must carry"),
		describe("Replaces the configuration; members that are absent get their defaults. "+managersOnly))
	post(r, "/api/circuits/{id}/transfer", scopeUser, h.transfer, family,
		summary("Give a circuit to another member"),
		describe("For the owner, who stays as Admin."))
}

type memberCircuitsInput struct {
	PageQuery
	MemberID string `path:"member_id" doc:"User id"`
}

func (h circuitUpdateHandlers) ofMember(ctx context.Context, in *memberCircuitsInput) (*reply[[]circuitJSON], error) {
	views, err := h.svc.OfMember(ctx, actor(ctx), in.MemberID, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]circuitJSON, len(views))
	for i, v := range views {
		out[i] = circuitFrom(v)
	}
	return respond(out, nil)
}

type updateCircuitInput struct {
	CircuitIDPath
	Body struct {
		Name        *string `json:"name,omitempty" doc:"At most 255 characters"`
		Description *string `json:"description,omitempty"`
		Permissions *struct {
			ApprovePush *bool `json:"require_approval_for_push,omitempty"`
			ApprovePull *bool `json:"require_approval_for_pull,omitempty"`
			AllowPublic *bool `json:"allow_public_visibility,omitempty"`
		} `json:"permissions,omitempty"`
	}
}

func (in *updateCircuitInput) toApp() circuits.Update {
	out := circuits.Update{Name: in.Body.Name, Description: in.Body.Description}
	if p := in.Body.Permissions; p != nil {
		out.ApprovePush, out.ApprovePull, out.AllowPublic = p.ApprovePush, p.ApprovePull, p.AllowPublic
	}
	return out
}

func (h circuitUpdateHandlers) update(ctx context.Context, in *updateCircuitInput) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Update(ctx, actor(ctx), id, in.toApp())
	switch {
	case app.ReasonOf(err) == app.ReasonCircuitNotFound:
		return nil, err // looked up before anything else, and worded so
	case err != nil:
		return nil, refused("Failed to update circuit: ", err)
	}
	return respond(circuitFrom(v), nil)
}

func (h circuitUpdateHandlers) deactivate(ctx context.Context, in *CircuitIDPath) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Deactivate(ctx, actor(ctx), id)
	return circuitReply(v, "Failed to deactivate circuit: ", err)
}

func (h circuitUpdateHandlers) reactivate(ctx context.Context, in *CircuitIDPath) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Reactivate(ctx, actor(ctx), id)
	return circuitReply(v, "Failed to reactivate circuit: ", err)
}

// circuitReply answers with the circuit, or with the error in the contract's
// words.
func circuitReply(v circuits.View, prefix string, err error) (*reply[circuitJSON], error) {
	if err != nil {
		return nil, refused(prefix, err)
	}
	return respond(circuitFrom(v), nil)
}

type visibilityJSON struct {
	Success     bool   `json:"success"`
	CircuitID   string `json:"circuit_id"`
	Name        string `json:"name"`
	Visibility  string `json:"visibility" enum:"public,private"`
	AllowPublic bool   `json:"allow_public_visibility"`
}

func (h circuitUpdateHandlers) toggle(ctx context.Context, in *CircuitIDPath) (*reply[visibilityJSON], error) {
	id, err := pathUUID("id", in.ID)
	if err != nil {
		return nil, err
	}
	c, err := h.svc.ToggleVisibility(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	out := visibilityJSON{Success: true, CircuitID: c.ID.String(), Name: c.Name, Visibility: "private"}
	if c.Permissions.AllowPublicVisibility {
		out.Visibility, out.AllowPublic = "public", true
	}
	return respond(out, nil)
}

// aliasDataJSON is an alias configuration as it is answered: nothing is left out.
type aliasDataJSON struct {
	RequiredCanonical  []string `json:"required_canonical"`
	RequiredContextual []string `json:"required_contextual"`
	UseFingerprint     bool     `json:"use_fingerprint"`
	AllowedNamespaces  []string `json:"allowed_namespaces" nullable:"true" doc:"null: all"`
	AutoApplyNamespace bool     `json:"auto_apply_namespace"`
}

type aliasReplyJSON struct {
	Success bool           `json:"success"`
	Data    *aliasDataJSON `json:"data"`
}

func aliasFrom(a *app.AliasConfig) aliasReplyJSON {
	out := aliasReplyJSON{Success: true}
	if a != nil {
		out.Data = &aliasDataJSON{
			RequiredCanonical: orEmpty(a.RequiredCanonical), RequiredContextual: orEmpty(a.RequiredContextual),
			UseFingerprint: a.UseFingerprint, AllowedNamespaces: a.AllowedNamespaces, AutoApplyNamespace: a.AutoApplyNamespace,
		}
	}
	return out
}

func (h circuitUpdateHandlers) alias(ctx context.Context, in *CircuitIDPath) (*reply[aliasReplyJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	a, err := h.svc.Alias(ctx, actor(ctx), id)
	return respond(aliasFrom(a), err)
}

type setAliasInput struct {
	CircuitIDPath
	Body aliasConfigJSON
}

func (h circuitUpdateHandlers) setAlias(ctx context.Context, in *setAliasInput) (*reply[aliasReplyJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	a := in.Body.toApp()
	if err := h.svc.SetAlias(ctx, actor(ctx), id, *a); err != nil {
		return nil, refused("Failed to update alias config: ", err)
	}
	return respond(aliasFrom(a), nil)
}

type transferInput struct {
	CircuitIDPath
	Body struct {
		NewOwnerID string `json:"new_owner_id" doc:"User id of a member"`
	}
}

func (h circuitUpdateHandlers) transfer(ctx context.Context, in *transferInput) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Transfer(ctx, actor(ctx), id, in.Body.NewOwnerID)
	return circuitReply(v, "Failed to transfer circuit: ", err)
}
