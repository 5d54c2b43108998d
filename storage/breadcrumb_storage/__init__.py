"""Breadcrumb."""
