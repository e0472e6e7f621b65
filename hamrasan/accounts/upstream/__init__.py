"""Single sign-on with other providers, by OpenID Connect: who they are, and whom they say somebody is."""
