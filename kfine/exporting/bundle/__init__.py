"""All that an app's developer needs, in one folder."""
