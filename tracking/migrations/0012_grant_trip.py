import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    # In a transaction of its own: grants are locked for milliseconds, and not while tables are made
    # that refer to users.

    dependencies = [
        ('tracking', '0011_trips'),
    ]

    operations = [
        migrations.AddField(
            model_name='watchgrant',
            name='trip',
            field=models.ForeignKey(db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='tracking.trip', verbose_name='trip'),
        ),
    ]
