package app

// Reason is the stable, documented name of why a request failed. It appears in
// logs and metrics, and on the wire only where the contract shows a code.
type Reason string

// Every reason the server can give. A test checks that they are unique and
// that each is reached by some test of the API.
const (
	// Identity.
	ReasonNoCredential       Reason = "no_credential"            // no token and no API key
	ReasonInvalidToken       Reason = "invalid_token"            // token malformed, forged, expired or void
	ReasonInvalidAPIKey      Reason = "invalid_api_key"          // unknown key
	ReasonAPIKeyInactive     Reason = "api_key_inactive"         // deactivated or revoked key
	ReasonAPIKeyExpired      Reason = "api_key_expired"          // expires_at has passed
	ReasonIPNotAllowed       Reason = "ip_not_allowed"           // key restricted to other addresses
	ReasonEndpointNotAllowed Reason = "endpoint_not_allowed"     // key restricted to other paths
	ReasonRateLimited        Reason = "rate_limit_exceeded"      // over a window of requests
	ReasonLoginThrottled     Reason = "login_throttled"          // too many failed logins
	ReasonMissingPermission  Reason = "insufficient_permissions" // key flag or administrator right missing
	ReasonTokenRequired      Reason = "token_required"           // credentials are managed with a token, not a key
	ReasonBadCredentials     Reason = "bad_credentials"          // unknown user or wrong password
	ReasonAccountStatus      Reason = "account_status"           // suspended, banned, pending or trial expired
	ReasonWeakPassword       Reason = "weak_password"            // complexity rule
	ReasonInvalidAccount     Reason = "invalid_account"          // user name or mail address malformed
	ReasonUsernameTaken      Reason = "username_taken"           // unique name
	ReasonEmailTaken         Reason = "email_taken"              // unique mail address
	ReasonUserNotFound       Reason = "user_not_found"           // account is gone
	ReasonAPIKeyNotFound     Reason = "api_key_not_found"        // no such key
	ReasonInvalidAPIKeyInput Reason = "invalid_api_key_input"    // key name, limit or expiry out of bounds
	ReasonAPIKeyForeign      Reason = "api_key_foreign"          // somebody else's key
	ReasonAPIKeyGrant        Reason = "api_key_grant"            // a right on a key that the caller may not give
	ReasonResetRequest       Reason = "reset_request"            // neither a name nor a mail address given
	ReasonResetThrottled     Reason = "reset_throttled"          // too many resets asked for, or tokens guessed
	ReasonResetToken         Reason = "reset_token"              // reset token missing, malformed, unknown, expired or used

	// Tiers and credits.
	ReasonInsufficientCredits Reason = "insufficient_credits" // the balance does not cover the cost
	ReasonInvalidAmount       Reason = "invalid_amount"       // an amount of credits out of bounds
	ReasonTierLimit           Reason = "tier_limit_exceeded"  // the tier lacks the permission or its allowance is used up
	ReasonNotCharged          Reason = "not_charged"          // nothing was charged for the operation
	ReasonAlreadyRefunded     Reason = "already_refunded"     // given back before
	ReasonConcurrency         Reason = "too_many_concurrent"  // more requests at a time than the tier allows

	// Requests as such.
	ReasonMalformed       Reason = "malformed_body"    // not JSON
	ReasonShape           Reason = "wrong_shape"       // JSON of the wrong shape
	ReasonBadQuery        Reason = "bad_query"         // query parameter of the wrong type
	ReasonBadPath         Reason = "bad_path"          // path parameter malformed
	ReasonContentType     Reason = "content_type"      // body not announced as JSON
	ReasonBodyTooLarge    Reason = "body_too_large"    // over the route's limit
	ReasonTooDeep         Reason = "nesting_too_deep"  // JSON nested deeper than 64 levels
	ReasonForbiddenText   Reason = "forbidden_text"    // U+0000 or over-long text where it is not allowed
	ReasonTooManyElements Reason = "too_many_elements" // more identifiers than an item may carry
	ReasonDeadline        Reason = "deadline"          // the request's time ran out

	// Items and identifiers.
	ReasonItemNotFound      Reason = "item_not_found"       // unknown or not the caller's
	ReasonLocalItemNotFound Reason = "local_item_not_found" // unknown local id
	ReasonLocalItemForeign  Reason = "local_item_foreign"   // somebody else's local id
	ReasonBadLocalID        Reason = "bad_local_id"         // not a UUID
	ReasonMergeInput        Reason = "merge_input"          // no local items to merge, unknown strategy or action
	ReasonLocalMerge        Reason = "local_merge"          // local items that cannot be merged or unmerged as they are
	ReasonBadIdentifier     Reason = "bad_identifier"       // identifier of a wrong type or form
	ReasonShareNotFound     Reason = "share_not_found"      // unknown share or not the caller's
	ReasonShareInput        Reason = "share_input"          // nobody to share with, or permissions out of bounds
	ReasonItemPending       Reason = "item_pending"         // stored as pending: somebody has to decide
	ReasonPendingNotFound   Reason = "pending_not_found"    // unknown pending item or not the caller's
	ReasonBadPendingID      Reason = "bad_pending_id"       // not a UUID
	ReasonBadAction         Reason = "bad_action"           // none of the actions that there are
	ReasonBadSourceEntry    Reason = "bad_source_entry"     // source entry is not a UUID
	ReasonItemState         Reason = "item_state"           // the item's status, or its kind, does not allow this
	ReasonIdentifierTaken   Reason = "identifier_taken"     // canonical identifier of another item
	ReasonBatchTooLarge     Reason = "batch_too_large"      // more elements than one call takes
	ReasonAliasRule         Reason = "alias_rule"           // circuit's alias configuration refuses the identifiers

	// Circuits and tokenization.
	ReasonBadCircuitID      Reason = "bad_circuit_id"      // not a UUID
	ReasonCircuitNotFound   Reason = "circuit_not_found"   // unknown or not the caller's to know of
	ReasonCircuitInactive   Reason = "circuit_inactive"    // status is not Active
	ReasonCircuitPermission Reason = "circuit_permission"  // member lacks the permission
	ReasonPublicSettings    Reason = "public_settings"     // invalid public settings
	ReasonCircuitNotPublic  Reason = "circuit_not_public"  // unknown, or without a public face at the moment
	ReasonAccessPassword    Reason = "access_password"     // wrong password of a protected circuit, or it has none
	ReasonPasswordThrottled Reason = "password_throttled"  // too many wrong passwords of a protected circuit
	ReasonAdapterAccess     Reason = "adapter_access"      // caller's tier or list lacks the adapter
	ReasonAdapterMissing    Reason = "adapter_unavailable" // adapter not configured on this server
	ReasonInvalidRole       Reason = "invalid_role"        // no such role or permission, or one that may not be changed
	ReasonMember            Reason = "member"              // already a member, not a member, or the owner
	ReasonJoinRequest       Reason = "join_request"        // already waiting, or none is waiting
	ReasonOperationNotFound Reason = "operation_not_found" // unknown, or of another circuit
	ReasonOperationState    Reason = "operation_state"     // the operation was decided before
	ReasonBadOperationID    Reason = "bad_operation_id"    // not a UUID
	ReasonInvalidCircuit    Reason = "invalid_circuit"     // name, description or alias lists out of bounds

	// Evidence.
	ReasonNoEvents         Reason = "no_events"          // item without events
	ReasonEventNotFound    Reason = "event_not_found"    // event not among the item's
	ReasonNoStorageHistory Reason = "no_storage_history" // nothing stored for the item
	ReasonBlockNotFound    Reason = "block_not_found"    // no such CID, or not the caller's to read
	ReasonItemNotPublic    Reason = "item_not_public"    // no openly accessible circuit publishes the item

	// Server.
	ReasonWriterBusy   Reason = "writer_busy"   // writer queue full or job too old
	ReasonSearchBusy   Reason = "search_busy"   // search index too far behind
	ReasonReadersBusy  Reason = "readers_busy"  // no reader connection in time
	ReasonMailBusy     Reason = "mail_busy"     // too many mails wait
	ReasonBcryptBusy   Reason = "bcrypt_busy"   // password queue full
	ReasonShuttingDown Reason = "shutting_down" // server is closing
	ReasonStorageFull  Reason = "storage_full"  // disk full or read-only
)
