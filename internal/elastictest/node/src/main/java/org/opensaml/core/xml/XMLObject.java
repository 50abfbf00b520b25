package org.opensaml.core.xml;

/** Stands for what Maven Central lacks: the security plugin names it, and needs it for SAML alone. */
public interface XMLObject {}
