// Package conformance runs those tests of the Gateway API's own suite that look at status alone, so that they need no
// Pod: against the cluster of KUBECONFIG, where a controller runs and its GatewayClass exists.
package conformance

import (
	"slices"
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// Names of the suite; the others of the profile send requests to Pods, which a bare API server does not run.
var statusOnly = []string{
	"GatewayClassObservedGenerationBump",
	"GatewayInvalidRouteKind",
	"GatewayInvalidTLSConfiguration",
	"GatewayModifyListeners",
	"GatewayObservedGenerationBump",
	"GatewaySecretInvalidReferenceGrant",
	"GatewaySecretMissingReferenceGrant",
	"GatewaySecretReferenceGrantAllInNamespace",
	"GatewaySecretReferenceGrantSpecific",
	"GatewayWithAttachedRoutes",
	"GatewayWithAttachedRoutesWithPort8080",
	"HTTPRouteInvalidCrossNamespaceParentRef",
	"HTTPRouteInvalidParentRefNotMatchingListenerPort",
	"HTTPRouteInvalidParentRefNotMatchingSectionName",
	"HTTPRouteInvalidParentRefSectionNameNotMatchingPort",
	"HTTPRouteObservedGenerationBump",
}

func TestStatus(t *testing.T) {
	chosen := slices.DeleteFunc(slices.Clone(tests.ConformanceTests), func(test suite.ConformanceTest) bool {
		return !slices.Contains(statusOnly, test.ShortName)
	})
	if len(chosen) != len(statusOnly) {
		t.Fatalf("the suite has %d of %d tests", len(chosen), len(statusOnly))
	}
	options := conformance.DefaultOptions(t)
	options.GatewayClassName = "agentgateway"
	options.CleanupBaseResources = false
	options.AllowCRDsMismatch = true
	options.SupportedFeatures = suite.FeaturesSet{}
	options.SupportedFeatures.Insert(features.SupportGateway, features.SupportGatewayPort8080,
		features.SupportHTTPRoute, features.SupportHTTPRouteDestinationPortMatching, features.SupportHTTPRouteParentRefPort,
		features.SupportReferenceGrant)
	official, err := suite.NewConformanceTestSuite(options)
	if err != nil {
		t.Fatal(err)
	}
	official.Setup(t, chosen)
	if err := official.Run(t, chosen); err != nil {
		t.Fatal(err)
	}
}
