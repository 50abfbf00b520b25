package org.opensaml.saml.saml2.core;

/** Stands for what Maven Central lacks: the security plugin names it, and needs it for SAML alone. */
public interface RequestAbstractType {}
