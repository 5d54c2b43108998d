"""List the prefixes of keys and tokens of well-known issuers, and the expressions for the rest.

Sources: the issuers' documentation and the rules of gitleaks (https://github.com/gitleaks/gitleaks).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

# Prefixes, separated by spaces, and the expression for the rest. Each token, prefix included, must have at least
# ``suspicion.MIN_RUN_CHARS`` letters, digits, dashes and underscores in a row, as texts with less are not searched.
TOKEN_PREFIXES: List[Tuple[str, str]] = [
    ("eyJ", r"[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}"),  # JWT
    ("AKIA ASIA AROA AIDA ABIA ACCA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),  # AWS
    ("ABSK", r"[A-Za-z0-9+/]{60,}={0,2}"),  # AWS Bedrock
    ("amzn.mws.", r"[0-9a-f-]{30,}"),
    ("ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{20,}"),  # GitHub
    ("github_pat_", r"[A-Za-z0-9_]{20,}"),
    ("glpat- glptt- gldt- glrt- glcbt- glft- glimt- glagent- gloas- glsoat-", r"[A-Za-z0-9_-]{16,}"),  # GitLab
    ("xoxa- xoxb- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs- xapp-", r"[A-Za-z0-9-]{8,}"),  # Slack
    ("sk_live_ sk_test_ pk_live_ pk_test_ rk_live_ rk_test_", r"[A-Za-z0-9]{8,}"),  # Stripe
    ("whsec_", r"[A-Za-z0-9+/]{16,}={0,2}"),
    ("sk-", r"(?:[A-Za-z0-9]+-)*[A-Za-z0-9_-]{10,}"),  # OpenAI, Anthropic and others
    ("gsk_", r"[A-Za-z0-9]{20,}"),  # Groq
    ("pplx-", r"[A-Za-z0-9]{20,}"),  # Perplexity
    ("xai-", r"[A-Za-z0-9]{40,}"),
    ("r8_", r"[A-Za-z0-9]{30,}"),  # Replicate
    ("hf_", r"[A-Za-z0-9]{30,}"),  # Hugging Face
    ("lsv2_", r"[a-z]{2}_[0-9a-f_]{30,}"),  # LangSmith
    ("pcsk_", r"[A-Za-z0-9_]{30,}"),  # Pinecone
    ("AIza", r"[A-Za-z0-9_-]{30,}"),  # Google
    ("ya29.", r"[A-Za-z0-9_-]{16,}"),
    ("GOCSPX-", r"[A-Za-z0-9_-]{16,}"),
    ("npm_", r"[A-Za-z0-9]{30,}"),
    ("pypi-", r"[A-Za-z0-9_-]{30,}"),
    ("rubygems_", r"[0-9a-f]{30,}"),
    ("dckr_pat_ dckr_oat_", r"[A-Za-z0-9_-]{20,}"),  # Docker
    ("SG.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),  # SendGrid
    ("key-", r"[0-9a-f]{32}(?![0-9A-Za-z])"),  # Mailgun
    ("SK", r"[0-9a-f]{32}(?![0-9A-Za-z])"),  # Twilio
    ("dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{32,}"),  # DigitalOcean
    ("dapi", r"[0-9a-f]{32}(?:-\d+)?"),  # Databricks
    ("hvs. hvb. hvr.", r"[A-Za-z0-9_-]{20,}"),  # HashiCorp Vault
    ("HRKU-", r"[A-Za-z0-9_-]{30,}"),  # Heroku
    ("glsa_ glc_", r"[A-Za-z0-9+/_]{20,}={0,2}"),  # Grafana
    ("NRAK- NRJS- NRII- NRAA-", r"[A-Za-z0-9]{16,}"),  # New Relic
    ("sntrys_ sntryu_", r"[A-Za-z0-9+/=_]{30,}"),  # Sentry
    ("lin_api_ lin_oauth_", r"[A-Za-z0-9]{20,}"),  # Linear
    ("ntn_", r"[A-Za-z0-9]{30,}"),  # Notion
    ("secret_", r"[A-Za-z0-9]{43}(?![A-Za-z0-9])"),
    ("figd_", r"[A-Za-z0-9_-]{30,}"),  # Figma
    ("PMAK-", r"[0-9a-f]{20,}-[0-9a-f]{30,}"),  # Postman
    ("ATATT3 ATCTT3 ATBB", r"[A-Za-z0-9_=-]{20,}"),  # Atlassian
    ("pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{50,}"),  # Airtable
    ("pscale_tkn_ pscale_pw_ pscale_oauth_", r"[A-Za-z0-9_.=-]{20,}"),  # PlanetScale
    ("sbp_", r"[0-9a-f]{30,}"),  # Supabase
    ("dp.pt. dp.st. dp.ct. dp.sa. dp.scim.", r"[A-Za-z0-9._-]{20,}"),  # Doppler
    ("tskey-", r"[a-z]+-[A-Za-z0-9]+-[A-Za-z0-9]{10,}"),  # Tailscale
    ("AGE-SECRET-KEY-1", r"[A-Z0-9]{40,}"),
    ("sq0atp- sq0csp- sq0idp-", r"[A-Za-z0-9_-]{20,}"),  # Square
    ("shpat_ shpca_ shppa_ shpss_", r"[0-9a-fA-F]{20,}"),  # Shopify
    ("access_token$production$ access_token$sandbox$", r"[0-9a-z]+\$[0-9a-f]{30,}"),  # Braintree
    ("LTAI", r"[A-Za-z0-9]{12,30}(?![A-Za-z0-9])"),  # Alibaba
    ("EAA", r"[A-Za-z0-9]{60,}"),  # Facebook
    ("nfp_", r"[A-Za-z0-9]{30,}"),  # Netlify
    ("pul-", r"[0-9a-f]{40}"),  # Pulumi
    ("dt0c01.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),  # Dynatrace
    ("ops_eyJ", r"[A-Za-z0-9+/_=-]{40,}"),  # 1Password
    ("AKCp", r"[A-Za-z0-9]{60,}"),  # Artifactory
]
